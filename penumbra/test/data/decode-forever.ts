// Decodes the photos of a folder at growing sizes until it is killed: node decode-forever.ts ROOT CACHE
import { decodePhotos, scanPhotos } from "../../src/data/index.ts";

const [root, cacheFolder] = process.argv.slice(2) as [string, string];
const { photos } = await scanPhotos(root);
for (let size = 6; ; size++) await decodePhotos(root, photos, { size, cacheFolder });
