// `node clean.mjs FOLDER…`: removes what a build has made, so that nothing of an older one is packed.
import { rmSync } from "node:fs";

for (const folder of process.argv.slice(2)) rmSync(folder, { recursive: true, force: true });
