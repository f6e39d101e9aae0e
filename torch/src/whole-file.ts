/** Files that are whole or not there: written aside, flushed to the disk, then renamed. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Writes a file aside through `write`, flushes it and gives it its name; when something is thrown on the way, nothing
 * is left behind and the old file stays. The renaming is durable only after `syncFolder`.
 */
export function writeWholeFile(path: string, write: (descriptor: number) => void): void {
  // The name cannot be taken: another process may be writing the same file.
  const aside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.partial`);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(aside, "wx");
    write(descriptor);
    fsyncSync(descriptor);
    closeSync(descriptor);
    descriptor = undefined;
    renameSync(aside, path);
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor);
    rmSync(aside, { force: true });
    throw cause;
  }
}

/** Makes the renaming itself durable. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Writes a text file and flushes it to the disk. */
export function writeFileSynced(path: string, text: string): void {
  const descriptor = openSync(path, "w");
  try {
    writeAll(descriptor, Buffer.from(text, "utf8"));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** No system call writes more than this at once. */
const MOST_AT_ONCE = 2 ** 30;

/** Writes all bytes, at `position` where it is given, else where the file stands. */
export function writeAll(descriptor: number, bytes: Uint8Array, position?: number): void {
  let done = 0;
  while (done < bytes.length) {
    const count = Math.min(bytes.length - done, MOST_AT_ONCE);
    done += writeSync(descriptor, bytes, done, count, position === undefined ? null : position + done);
  }
}
