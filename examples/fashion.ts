/**
 * Writes Fashion-MNIST as folders of photos, some classes held out as unknown, for a study on pictures of another
 * kind than the demo's.
 *
 *     sudo apt-get install dataset-fashion-mnist        # Debian, Ubuntu; MIT licence; 30 MB
 *     node --import tsx examples/fashion.ts fashion     # writes fashion/known, fashion/near, fashion/far
 *     npx penumbra init fashion && npx penumbra study study.yaml
 *
 * Options: --per-class N (default 120 pictures of each class), --source FOLDER with the two idx.gz files.
 *
 * Every picture shows another article, so each is an object of its own: class/photo.png. Shirts resemble T-shirts,
 * pullovers and coats, sandals resemble sneakers: they are the near unknowns. Bags are the far ones.
 */
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import sharp from "sharp";

/** Folder of each label 0..9. */
const FOLDERS = [
  "known/t-shirt",
  "known/trouser",
  "known/pullover",
  "known/dress",
  "known/coat",
  "near/sandal",
  "near/shirt",
  "known/sneaker",
  "far/bag",
  "known/ankle-boot",
] as const;

const DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist";

export interface FashionOptions {
  /** Folder to write; its folders known, near and far are replaced. */
  readonly out: string;
  /** Folder that holds train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz. */
  readonly source?: string;
  readonly perClass?: number;
}

/** Writes the first `perClass` pictures of each class as grey PNG files; returns how many were written. */
export async function writeFashion({
  out,
  source = DEBIAN_FOLDER,
  perClass = 120,
}: FashionOptions): Promise<number> {
  const images = await readIdx(join(source, "train-images-idx3-ubyte.gz"));
  const labels = await readIdx(join(source, "train-labels-idx1-ubyte.gz"));
  const [count = 0, height = 0, width = 0] = images.shape;
  const aside = `${out}.writing`;
  await rm(aside, { recursive: true, force: true });
  for (const folder of FOLDERS) await mkdir(join(aside, folder), { recursive: true });
  const written = FOLDERS.map(() => 0);
  for (let i = 0; i < count && written.some((number) => number < perClass); i++) {
    const label = labels.values[i]!;
    if (written[label]! >= perClass) continue;
    written[label]!++;
    const pixels = images.values.subarray(i * height * width, (i + 1) * height * width);
    const picture = sharp(pixels, { raw: { width, height, channels: 1 } }).toColourspace("b-w");
    await picture.png().toFile(join(aside, FOLDERS[label]!, `${String(i).padStart(5, "0")}.png`));
  }
  await mkdir(out, { recursive: true });
  for (const role of ["known", "near", "far"]) {
    await rm(join(out, role), { recursive: true, force: true });
    await rename(join(aside, role), join(out, role));
  }
  await rm(aside, { recursive: true });
  return written.reduce((sum, number) => sum + number, 0);
}

/** IDX (LeCun's MNIST format): two zero bytes, type, number of axes, their lengths as 32-bit big-endian, the data. */
async function readIdx(path: string): Promise<{ shape: number[]; values: Uint8Array }> {
  const packed = await readFile(path).catch((cause: unknown) => {
    throw new Error(
      `Cannot read "${path}". Install it with "apt-get install dataset-fashion-mnist", or name its folder with --source.`,
      { cause },
    );
  });
  const bytes = gunzipSync(packed);
  const UINT8 = 8;
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0 || bytes[2] !== UINT8) {
    throw new Error(`"${path}" is no IDX file of bytes. Get the original Fashion-MNIST files.`);
  }
  const shape = Array.from({ length: bytes[3]! }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  return { shape, values: bytes.subarray(4 + 4 * shape.length) };
}

if (process.argv[1] && import.meta.filename === resolve(process.argv[1])) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { source: { type: "string" }, "per-class": { type: "string" } },
  });
  const out = positionals[0];
  const perClass = Number(values["per-class"] ?? 120);
  if (!out || !Number.isInteger(perClass) || perClass < 1) {
    throw new Error(
      "Usage: node --import tsx examples/fashion.ts FOLDER [--per-class 120] [--source FOLDER]",
    );
  }
  const written = await writeFashion({ out, source: values.source, perClass });
  console.log(`${written} pictures in ${out}: 7 known classes, 2 near and 1 far unknown.`);
}
