/** IDX archives, the format of MNIST and Fashion-MNIST: all pictures in one file, their classes in another (LeCun). */
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DataError } from "../errors.ts";
import type { Candidate, Source } from "./source.ts";

const IMAGES_FILE = /^(train|t10k|test|val|valid)\b.*images[.-]idx3-ubyte(\.gz)?$/i;
const ENTRY = /^(.*idx3-ubyte(?:\.gz)?)\/(\d+)$/;
const IMAGES_MAGIC = 0x0803; // unsigned bytes, three dimensions
const LABELS_MAGIC = 0x0801;

/** The archives of pictures in a folder. */
export async function idxFiles(root: string): Promise<string[]> {
  return (await readdir(root).catch(() => [])).filter((name) => IMAGES_FILE.test(name)).sort();
}

/**
 * Lists the pictures of IDX archives: a class for each label, every picture an object, `train` and `t10k` a division
 * that was made already.
 *
 * @throws DataError for an archive that is damaged or lacks its labels
 */
export async function scanIdx(root: string, files: readonly string[]): Promise<Source> {
  const candidates: Candidate[] = [];
  for (const file of files) {
    const { count } = await imagesOf(join(root, file));
    const labels = await labelsOf(root, file, count);
    const split = /^train/i.test(file) ? "train" : /^val/i.test(file) ? "validation" : "test";
    const digits = String(count - 1).length;
    for (let i = 0; i < count; i++) {
      const name = String(i).padStart(digits, "0");
      const id = `${file}/${name}`;
      candidates.push({
        id,
        className: String(labels[i]),
        objectName: `${split}/${name}`,
        view: name,
        split,
      });
    }
  }
  const names = [...new Set(candidates.map(({ className }) => className))];
  return {
    root,
    candidates,
    classFolders: names.map((className) => ({ path: className, className })),
    problems: [],
    notes: [
      `${files.join(", ")}: archives of pictures, read as they are; classes are called by their labels (${names.sort().join(", ")}).`,
    ],
  };
}

/** Whether an id names a picture in an archive. */
export function isIdxEntry(id: string): boolean {
  return ENTRY.test(id);
}

/** Where the file lies that decides about a picture. */
export function idxFileOf(id: string): string {
  return ENTRY.exec(id)?.[1] ?? id;
}

/** A picture of an archive as the bytes of a bitmap file of 8 bits. @throws DataError when there is no such picture */
export async function readIdxEntry(root: string, id: string): Promise<Uint8Array> {
  const entry = ENTRY.exec(id);
  if (!entry)
    throw new DataError(
      `"${id}" names no picture of an IDX archive, such as train-images-idx3-ubyte/12. Scan the folder again.`,
    );
  const [, file, place] = entry as unknown as [string, string, string];
  const { count, height, width, pixels } = await imagesOf(join(root, file));
  const index = Number(place);
  if (index >= count)
    throw new DataError(`The archive "${file}" has ${count} pictures, and none of number ${index}.`);
  return greyBitmap(pixels.subarray(index * width * height, (index + 1) * width * height), width, height);
}

interface Images {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly pixels: Uint8Array;
}

/** The last archives read: every picture of one is asked for after the other. */
const kept = new Map<string, { readonly modified: number; readonly images: Promise<Images> }>();
const MOST_KEPT = 2;

async function imagesOf(path: string): Promise<Images> {
  const { mtimeMs } = await stat(path);
  const known = kept.get(path);
  if (known?.modified === mtimeMs) return known.images;
  const images = readImages(path);
  kept.delete(path);
  kept.set(path, { modified: mtimeMs, images });
  for (const old of [...kept.keys()].slice(0, -MOST_KEPT)) kept.delete(old);
  return images;
}

async function readImages(path: string): Promise<Images> {
  const bytes = await readArchive(path);
  const [magic, count, height, width] = [0, 4, 8, 12].map((at) =>
    bytes.length >= 16 ? bytes.readUInt32BE(at) : 0,
  );
  if (magic !== IMAGES_MAGIC || !count || !height || !width || bytes.length !== 16 + count * height * width) {
    throw damaged(path, `${bytes.length} bytes for ${count} pictures of ${height} x ${width}`);
  }
  return { count, height, width, pixels: bytes.subarray(16) };
}

async function labelsOf(root: string, file: string, count: number): Promise<Uint8Array> {
  const name = file.replace(/images([.-])idx3/i, "labels$1idx1");
  const path = [name, name.replace(/\.gz$/, ""), `${name}.gz`]
    .map((each) => join(root, each))
    .find(existsSync);
  if (!path)
    throw new DataError(`The archive "${file}" lacks its classes: "${name}" is not beside it. Put it there.`);
  const bytes = await readArchive(path);
  if (bytes.length !== 8 + count || bytes.readUInt32BE(0) !== LABELS_MAGIC) {
    throw damaged(path, `${bytes.length} bytes for ${count} labels`);
  }
  return bytes.subarray(8);
}

async function readArchive(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  if (!path.endsWith(".gz")) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw damaged(path, (cause as Error).message, cause);
  }
}

function damaged(path: string, why: string, cause?: unknown): DataError {
  return new DataError(`The archive "${path}" is damaged (${why}). Download it again.`, { cause });
}

function greyBitmap(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const stride = 4 * Math.ceil(width / 4);
  const start = 54 + 4 * 256;
  const bytes = Buffer.alloc(start + stride * height);
  bytes.write("BM", "latin1");
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(start, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(-height, 22); // rows from the top
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(8, 28);
  for (let grey = 0; grey < 256; grey++) bytes.fill(grey, 54 + 4 * grey, 54 + 4 * grey + 3);
  for (let y = 0; y < height; y++) bytes.set(pixels.subarray(y * width, (y + 1) * width), start + y * stride);
  return bytes;
}
