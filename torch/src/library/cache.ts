import { randomUUID } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LibraryError } from "./error.ts";

/** The folder of everything that setup makes: `PENUMBRA_CACHE`, or `penumbra` in the user's cache folder. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.PENUMBRA_CACHE) return resolve(env.PENUMBRA_CACHE);
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "penumbra");
}

/** A name beside `path`, for writing aside before the rename that makes the result appear whole. */
export function asideOf(path: string): string {
  return `${path}.part-${process.pid}-${randomUUID().slice(0, 8)}`;
}

/** Writes a small text file so that a reader sees the old content or the new one, never a part. */
export function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const aside = asideOf(path);
  writeFileSync(aside, text);
  renameSync(aside, path);
}

/**
 * Refuses a folder in which nothing can be written, or where it would have to be made. Writes nothing itself.
 * @throws LibraryError with the place and the system's reason
 */
export function assertWritable(folder: string): void {
  orSayHow(folder, () => accessNearest(folder));
}

/** Makes the folder where it is not there. @throws LibraryError as `assertWritable` */
function makeWritable(folder: string): void {
  assertWritable(folder);
  orSayHow(folder, () => makeFolder(folder));
}

// Not mkdir's own `recursive`: where the system answers "no such file" (in /proc, say) Node tries for ever.
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another process was faster
  }
}

function accessNearest(folder: string): void {
  let nearest = folder;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  // A folder's entries can be changed where it can be written and entered; "." refuses what is no folder.
  accessSync(join(nearest, "."), constants.W_OK | constants.X_OK);
}

function orSayHow(folder: string, attempt: () => void): void {
  try {
    attempt();
  } catch (error) {
    throw new LibraryError(
      `The cache "${folder}" cannot be written: ${(error as NodeJS.ErrnoException).message}`,
      [
        "Set PENUMBRA_CACHE to a folder that you may write, and run setup again.",
        "Or give yourself the right to write there.",
      ],
    );
  }
}

/**
 * Refuses a folder whose file system has less than `bytes` free.
 * @throws LibraryError with the place, what is needed and what is free
 */
export function assertFreeSpace(folder: string, bytes: number, purpose: string): void {
  makeWritable(folder);
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= bytes) return;
  throw new LibraryError(
    `Not enough disk space for ${purpose}: "${folder}" has ${readableSize(bavail * bsize)} free and ${readableSize(bytes)} are needed.`,
    ["Free some space.", "Or set PENUMBRA_CACHE to a folder on a larger disk and run setup again."],
  );
}

/** 207_000_000 -> "207 MB" */
export function readableSize(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

/**
 * Runs `work` while no other process of this machine runs work under the same lock file. A lock whose process
 * has died is taken over. What setup makes appears by rename, so even two holders could not spoil a result: the
 * lock only saves them from doing the same work twice.
 */
export async function withLock<T>(
  file: string,
  onWait: (pid: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  makeWritable(dirname(file));
  let waiting = false;
  for (;;) {
    const holder = tryLock(file);
    if (holder === undefined) break;
    if (!waiting) onWait(holder);
    waiting = true;
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Takes the lock, or returns the process that holds it. */
function tryLock(file: string): number | undefined {
  // A link to a finished file: whoever reads the lock reads its holder too.
  const aside = asideOf(file);
  writeFileSync(aside, String(process.pid));
  try {
    linkSync(aside, file);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
  let holder: number;
  try {
    holder = Number(readFileSync(file, "utf8"));
  } catch {
    return 0; // released between the two steps: the next try decides
  }
  if (!isAlive(holder)) rmSync(file, { force: true });
  return holder;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
