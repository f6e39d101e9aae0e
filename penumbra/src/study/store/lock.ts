import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** Thrown when another process works in the same run folder. */
export class RunInUseError extends Error {
  override readonly name = "RunInUseError";
}

/** The process that holds a claim; a number alone may since belong to another process. */
interface Owner {
  readonly pid: number;
  /** As {@link startOf} tells it; null where the system does not. */
  readonly start: string | null;
}

/** Longer than another process takes between two steps of its claim. */
const SETTLE_MS = 200;

/**
 * Claims a run folder for this process, so that two studies never write the same stage; returns what releases it.
 * The claim of a process that no longer lives (killed, machine restarted) is taken over.
 *
 * @throws RunInUseError while its owner lives.
 */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, "study.lock");
  const own: Owner = { pid: process.pid, start: await startOf(process.pid) };
  const release = () => rm(path, { force: true });
  if (await claim(path, own)) return release;
  const owner = await readOwner(path);
  if (owner && owner.pid !== process.pid && (await isAlive(owner))) throw inUse(folder, owner);
  await rm(path, { force: true });
  // Of two that found the same dead claim, one may remove what the other has just written: the last one has it.
  if (await claim(path, own)) await wait(SETTLE_MS);
  const heir = await readOwner(path);
  if (heir?.pid === own.pid) return release;
  throw inUse(folder, heir);
}

function inUse(folder: string, owner: Owner | undefined): RunInUseError {
  const who = owner ? ` (process ${owner.pid})` : "";
  return new RunInUseError(
    `Another study${who} is working in ${folder}. Wait for it, stop it, or choose another folder with --out.`,
  );
}

/** Whether the claim could be written; false where there is one already. */
async function claim(path: string, own: Owner): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(own), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

/** Whose claim it is; undefined where it was released meanwhile, or its owner died while writing it. */
async function readOwner(path: string): Promise<Owner | undefined> {
  for (const isLast of [false, true]) {
    try {
      return JSON.parse(await readFile(path, "utf8")) as Owner;
    } catch {
      if (!isLast) await wait(SETTLE_MS); // it may be in the middle of being written
    }
  }
  return undefined;
}

async function isAlive({ pid, start }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return start === null || (await startOf(pid)) === start;
}

/** When a process was started, in ticks since the machine's own start (Linux); null elsewhere. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the command in parentheses and may hold spaces; the start is the 22nd.
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}
