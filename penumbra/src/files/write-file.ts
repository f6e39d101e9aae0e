import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ASIDE_ENDING, asideStem, leftByDead } from "./aside.ts";

export interface WriteFileOptions {
  /**
   * Waits until the bytes are on the disk before the file takes its name: then not even a power failure leaves a
   * part. Default true; false is for caches of many files, which notice a damaged one and make it again.
   */
  readonly flush?: boolean;
}

/**
 * Writes a file whole or not at all: aside, then renamed over `path`, whose folder is made where it is missing.
 * Readers see the old content or the new one, never a part; when writing fails, nothing is left behind. What processes
 * that were killed amid writing a file have left in that folder is removed.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  { flush = true }: WriteFileOptions = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = beginBeside(path);
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
  const aside = beginBeside(path);
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

/** Folders that were looked through for what the dead have left: once is enough, caches have many files. */
const cleared = new Set<string>();

/** The name beside `path` under which it is written. */
function beginBeside(path: string): string {
  const place = resolve(dirname(path));
  if (!cleared.has(place)) {
    cleared.add(place);
    // What a folder's writer left may be all that there is of it: that is left to its next writer.
    for (const { path: left } of leftByDead(place))
      if (lstatSync(left, { throwIfNoEntry: false })?.isFile()) rmSync(left, { force: true });
  }
  return join(place, `${asideStem(basename(path))}${ASIDE_ENDING}`);
}
