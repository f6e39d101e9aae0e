import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * What the names of files and folders end with that are being written, here and by the engine: whatever is found
 * under such a name was cut off.
 */
export const ASIDE_ENDING = ".partial";

export interface WriteFileOptions {
  /**
   * Waits until the bytes are on the disk before the file takes its name: then not even a power failure leaves a
   * part. Default true; false is for caches of many files, which notice a damaged one and make it again.
   */
  readonly flush?: boolean;
}

/**
 * Writes a file whole or not at all: aside, then renamed over `path`, whose folder is made where it is missing.
 * Readers see the old content or the new one, never a part; when writing fails, nothing is left behind.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  { flush = true }: WriteFileOptions = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = asideOf(path);
  try {
    const file = await open(aside, "wx");
    try {
      await file.writeFile(content);
      if (flush) await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (cause) {
    await rm(aside, { force: true });
    throw cause;
  }
}

/** As `writeFileAtomic`, for code that may not yield to the event loop. */
export function writeFileAtomicSync(
  path: string,
  content: string | Uint8Array,
  { flush = true }: WriteFileOptions = {},
): void {
  mkdirSync(dirname(path), { recursive: true });
  const aside = asideOf(path);
  try {
    const file = openSync(aside, "wx");
    try {
      writeFileSync(file, content);
      if (flush) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(aside, path);
  } catch (cause) {
    rmSync(aside, { force: true });
    throw cause;
  }
}

/** A name beside `path` that no other writer takes: two processes may write the same file. */
function asideOf(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString("hex")}${ASIDE_ENDING}`;
}
