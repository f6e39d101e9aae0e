/**
 * Fashion-MNIST (Xiao, Rasul and Vollgraf 2017; MIT licence) as a folder of photos for a study: five classes to learn, four
 * that are similar to them, one that is not.
 *
 *   node --import tsx --conditions=source bench/evidence/fashion-mnist.ts IDX_FOLDER OUT [--each 250]
 *
 * IDX_FOLDER holds the published files (`train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`); Debian's package
 * dataset-fashion-mnist has them. The first photos of each class are taken, as PNG of 28 pixels.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import sharp from "sharp";

const SIDE = 28;
/** What the labels mean, with the role of each in the study. */
const CLASSES = [
  ["known", "t-shirt"],
  ["known", "trouser"],
  ["near", "pullover"],
  ["known", "dress"],
  ["known", "coat"],
  ["known", "sandal"],
  ["near", "shirt"],
  ["near", "sneaker"],
  ["far", "bag"],
  ["near", "ankle-boot"],
] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { each: { type: "string", default: "250" } },
});
const [source, out] = positionals;
if (source === undefined || out === undefined)
  throw new Error("Name the folder of the files and the one to write.");
const each = Number(values.each);

const content = async (name: string, header: number) =>
  gunzipSync(await readFile(join(source, name))).subarray(header);
const pixels = await content("train-images-idx3-ubyte.gz", 16);
const labels = await content("train-labels-idx1-ubyte.gz", 8);

for (const [label, [role, name]] of CLASSES.entries()) {
  const folder = join(out, role, name);
  await mkdir(folder, { recursive: true });
  const places = [...labels.keys()].filter((place) => labels[place] === label).slice(0, each);
  for (const place of places) {
    const photo = pixels.subarray(place * SIDE ** 2, (place + 1) * SIDE ** 2);
    const png = await sharp(photo, { raw: { width: SIDE, height: SIDE, channels: 1 } })
      .png()
      .toBuffer();
    await writeFile(join(folder, `${place}.png`), png);
  }
}
