import { open, readFile, stat, truncate } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { groupBy, listPhotoFiles } from "../../data/index.ts";
import { DeployError } from "./errors.ts";
import type { Judged, PhotoObject } from "./predict-each.ts";
import { type Verdict, verdictName } from "./verdict.ts";

/** A line of the log: an object as it was when it was judged, and what came of it. */
export type WatchEntry = {
  /** When it was judged, as ISO 8601 has it. */
  readonly at: string;
} & Stamp &
  (
    | ({ readonly verdict: string; readonly class: string; readonly error?: string } & Omit<
        Verdict,
        "className" | "isUnknown"
      >)
    | { readonly error: string }
  );

/** An object whose photos were read. */
export interface ArrivedObject extends PhotoObject {
  readonly photos: readonly Uint8Array[];
}

/** What came of an object: its verdict, where a photo of it could be read, and which could not. */
export type WatchAnswer = Pick<Judged, "verdict" | "unreadable">;

export interface WatchOptions {
  /** Judges objects by the bytes of their photos, together; answers in their order. */
  readonly judge: (objects: readonly ArrivedObject[]) => Promise<readonly WatchAnswer[]>;
  /** File to which lines of JSON are appended. It is what a restart goes by: what stands there is not done again. */
  readonly log: string;
  /** Ends the watch when what is under way is written. */
  readonly signal: AbortSignal;
  /**
   * Whether the photos of one folder are views of one object. It is judged when none of them has changed for a while,
   * and again when one is added. Default false: every photo is an object.
   */
  readonly views?: boolean;
  /** How long a photo must not have changed before it counts as whole. Default 1000. */
  readonly settleMs?: number;
  /** Objects that are judged together at most. Default 32. */
  readonly atOnce?: number;
  readonly onEntry?: (entry: WatchEntry) => void;
}

/** An object as it lies on the disk: the same path with other numbers is to be judged anew. */
interface Stamp {
  /** Path of the photo; of views that of the folder that holds them. */
  readonly photo: string;
  /** Bytes of all its photos. */
  readonly size: number;
  /** Milliseconds of the last change of one of them. */
  readonly changed: number;
}

/** An object that a look at the folder found. */
interface Found extends Stamp {
  readonly files: readonly string[];
}

/** An object as one look at the folder found it. */
interface Seen extends Omit<Stamp, "photo"> {
  /** When it was first seen like this. */
  readonly since: number;
}

const DEFAULT_SETTLE_MS = 1000;
/** The next look waits this many times as long as the last one took, so that large folders are not read all the time. */
const PATIENCE = 4;

/**
 * Judges every object whose photos lie in a folder or arrive there, what arrives together in one batch, and appends a
 * line of JSON to a log for each. A file that is still being written is waited for: it is judged when size and time of
 * change have stayed the same for a while. After an interruption, however it came, the same call goes on: what the log
 * has is not done again, and a line that was cut off is removed.
 *
 * @throws DeployError when the folder is none, or the log is of something else
 */
export async function watchPhotos(
  folder: string,
  { judge, log, signal, views = false, settleMs = DEFAULT_SETTLE_MS, atOnce = 32, onEntry }: WatchOptions,
): Promise<void> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new DeployError(`There is no folder "${folder}" to watch. Make it, or name another.`);
  const done = await readLog(log);
  const seen = new Map<string, Seen>();
  const file = await open(log, "a");
  try {
    while (!signal.aborted) {
      const startedAt = performance.now();
      const ready = settled(await look(folder, views), done, seen, settleMs);
      for (let start = 0; start < ready.length && !signal.aborted; start += atOnce) {
        for (const entry of await entriesOf(ready.slice(start, start + atOnce), judge)) {
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

/** The objects that lie in a folder and below. */
async function look(folder: string, views: boolean): Promise<Found[]> {
  const files = await listPhotoFiles(folder);
  const objects = views ? [...groupBy(files, dirname)] : files.map((file) => [file, [file]] as const);
  const found = await Promise.all(objects.map(([photo, own]) => stampOf(photo, own)));
  return found.filter((object) => object !== undefined);
}

/** `undefined` where a photo went away. */
async function stampOf(photo: string, files: readonly string[]): Promise<Found | undefined> {
  const stats = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  if (!stats.every((each) => each?.isFile())) return undefined;
  const size = stats.reduce((sum, each) => sum + each!.size, 0);
  return { photo, files, size, changed: Math.max(...stats.map((each) => each!.mtimeMs)) };
}

/** Objects that have not been judged as they are now, and have stayed so for a while. */
function settled(
  objects: readonly Found[],
  done: ReadonlyMap<string, Stamp>,
  seen: Map<string, Seen>,
  settleMs: number,
): Found[] {
  const now = performance.now();
  const ready = objects.filter((object) => {
    const { photo, size, changed } = object;
    if (isSame(object, done.get(photo))) return false;
    const before = seen.get(photo);
    if (before && isSame(object, before)) return now - before.since >= settleMs;
    seen.set(photo, { size, changed, since: now });
    return false;
  });
  for (const { photo } of ready) seen.delete(photo);
  return ready;
}

function isSame(a: Omit<Stamp, "photo">, b: Omit<Stamp, "photo"> | undefined): boolean {
  return a.size === b?.size && a.changed === b.changed;
}

/** What is said of objects; none of one that went away or changed meanwhile: the next look sees what became of it. */
async function entriesOf(found: readonly Found[], judge: WatchOptions["judge"]): Promise<WatchEntry[]> {
  const read = await Promise.all(found.map(async (object) => ({ object, photos: await readAll(object) })));
  const whole = read.flatMap(({ object, photos }) => (photos ? [{ object, photos }] : []));
  const answers = await judge(whole.map(({ object, photos }) => ({ name: object.photo, photos })));
  const at = new Date().toISOString();
  return whole.map(({ object: { files, ...stamp } }, i) => {
    const { verdict, unreadable } = answers[i]!;
    const told = unreadable.map(({ photo, reason }) =>
      files.length === 1 ? reason : `${basename(files[photo]!)}: ${reason}`,
    );
    const error = told.length > 0 ? { error: told.join("; ") } : {};
    if (!verdict) return { at, ...stamp, error: told.join("; ") };
    const { className, isUnknown, ...rest } = verdict;
    return { at, ...stamp, verdict: verdictName(verdict), class: className, ...rest, ...error };
  });
}

/** The bytes of an object's photos, `undefined` where one is not as it was. */
async function readAll(object: Found): Promise<Uint8Array[] | undefined> {
  const bytes = await Promise.all(object.files.map((file) => readFile(file).catch(() => undefined)));
  const after = await stampOf(object.photo, object.files);
  return after && isSame(object, after) && bytes.every((each) => each !== undefined) ? bytes : undefined;
}

/** What a log says of each object last. A last line that was cut off is removed from the file. */
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
