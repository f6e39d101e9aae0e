import { open, readFile, stat, truncate } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { listPhotoFiles } from "../../data/index.ts";
import { reasonOf } from "../../images/index.ts";
import { DeployError } from "./errors.ts";
import { type Verdict, verdictName } from "./verdict.ts";

/** A line of the log: a photo as it was when it was judged, and what came of it. */
export type WatchEntry = {
  /** When it was judged, as ISO 8601 has it. */
  readonly at: string;
  /** Path of the file. */
  readonly photo: string;
  /** Bytes, and milliseconds of the last change: the same path with others is another photo. */
  readonly size: number;
  readonly changed: number;
} & (
  | ({ readonly verdict: string; readonly class: string } & Omit<Verdict, "className" | "isUnknown">)
  | { readonly error: string }
);

export interface WatchOptions {
  /** Judges the bytes of one photo. @throws for one that cannot be read */
  readonly judge: (bytes: Uint8Array, path: string) => Promise<Verdict>;
  /** File to which lines of JSON are appended. It is what a restart goes by: what stands there is not done again. */
  readonly log: string;
  /** Ends the watch when what is under way is written. */
  readonly signal: AbortSignal;
  /** How long a file must not have changed before it counts as whole. Default 1000. */
  readonly settleMs?: number;
  /** Photos that are judged at once. Default 16. */
  readonly atOnce?: number;
  readonly onEntry?: (entry: WatchEntry) => void;
}

/** A file as one look at the folder found it. */
interface Seen {
  readonly size: number;
  readonly changed: number;
  /** When it was first seen like this. */
  readonly since: number;
}

const DEFAULT_SETTLE_MS = 1000;
/** The next look waits this many times as long as the last one took, so that large folders are not read all the time. */
const PATIENCE = 4;

/**
 * Judges every photo that lies in a folder or arrives there, and appends a line of JSON to a log for each. A file that
 * is still being written is waited for: it is judged when size and time of change have stayed the same for a while.
 * After an interruption, however it came, the same call goes on: photos that the log has are not done again, and a
 * line that was cut off is removed.
 *
 * @throws DeployError when the folder is none, or the log is of something else
 */
export async function watchPhotos(
  folder: string,
  { judge, log, signal, settleMs = DEFAULT_SETTLE_MS, atOnce = 16, onEntry }: WatchOptions,
): Promise<void> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new DeployError(`There is no folder "${folder}" to watch. Make it, or name another.`);
  const done = await readLog(log);
  const seen = new Map<string, Seen>();
  const file = await open(log, "a");
  try {
    while (!signal.aborted) {
      const startedAt = performance.now();
      const ready = await settled(folder, done, seen, settleMs);
      for (let start = 0; start < ready.length && !signal.aborted; start += atOnce) {
        const entries = await Promise.all(
          ready.slice(start, start + atOnce).map((photo) => entryOf(photo, judge)),
        );
        for (const entry of entries) {
          if (!entry) continue; // it went away, or changed while it was read: the next look sees what became of it
          // One write a line: a reader sees whole lines, and only the last can be cut off.
          await file.write(`${JSON.stringify(entry)}\n`);
          done.set(entry.photo, entry);
          onEntry?.(entry);
        }
      }
      await file.sync();
      const took = performance.now() - startedAt;
      await sleep(Math.max(settleMs / 2, PATIENCE * took), undefined, { signal }).catch(() => {});
    }
  } finally {
    await file.close();
  }
}

type Stamp = Pick<WatchEntry, "photo" | "size" | "changed">;

/** Photos that have not been judged as they are now, and have stayed so for a while. */
async function settled(
  folder: string,
  done: ReadonlyMap<string, Stamp>,
  seen: Map<string, Seen>,
  settleMs: number,
): Promise<Stamp[]> {
  const ready: Stamp[] = [];
  const now = performance.now();
  for (const photo of await listPhotoFiles(folder)) {
    const found = await stat(photo).catch(() => undefined);
    if (!found?.isFile()) continue;
    const { size, mtimeMs: changed } = found;
    const isSame = (other: Pick<Stamp, "size" | "changed"> | undefined) =>
      other?.size === size && other.changed === changed;
    if (isSame(done.get(photo))) continue;
    const before = seen.get(photo);
    if (!before || !isSame(before)) seen.set(photo, { size, changed, since: now });
    else if (now - before.since >= settleMs) ready.push({ photo, size, changed });
  }
  for (const { photo } of ready) seen.delete(photo);
  return ready;
}

async function entryOf(
  { photo, size, changed }: Stamp,
  judge: WatchOptions["judge"],
): Promise<WatchEntry | undefined> {
  const bytes = await readFile(photo).catch(() => undefined);
  const after = await stat(photo).catch(() => undefined);
  if (!bytes || after?.size !== size || after.mtimeMs !== changed) return undefined;
  const facts = { at: new Date().toISOString(), photo, size, changed };
  try {
    const { className, isUnknown, ...verdict } = await judge(bytes, photo);
    const name = verdictName({ className, isUnknown });
    return { ...facts, verdict: name, class: className, ...verdict };
  } catch (error) {
    return { ...facts, error: reasonOf(error) };
  }
}

/** What a log says of each photo last. A last line that was cut off is removed from the file. */
async function readLog(log: string): Promise<Map<string, Stamp>> {
  const bytes = await readFile(log).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  });
  const whole = bytes.lastIndexOf(10) + 1; // behind the last line break
  if (whole < bytes.length) await truncate(log, whole);
  const done = new Map<string, Stamp>();
  const lines = bytes.subarray(0, whole).toString("utf8").split("\n");
  for (const [index, line] of lines.entries()) {
    if (line === "") continue;
    const entry = parsed(line);
    if (typeof entry?.photo !== "string" || typeof entry.size !== "number") {
      throw new DeployError(
        `${log}:${index + 1} is no line of a watch. Name another file for the log, or remove it.`,
      );
    }
    done.set(entry.photo, entry as Stamp);
  }
  return done;
}

function parsed(line: string): Partial<Stamp> | undefined {
  try {
    return JSON.parse(line) as Partial<Stamp>;
  } catch {
    return undefined;
  }
}
