import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { writeFileAtomic } from "../../files/index.ts";

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

/** What is written of a claim. */
interface Claim extends Owner {
  /** Processes that work for the owner; after its sudden end they may live for a moment. */
  readonly jobs?: readonly Owner[];
}

/** A claim on a run folder. */
export interface RunLock {
  /** Gives the folder back. */
  release(): Promise<void>;
  /** Says which other processes work in the folder for this one: nobody takes it over while one of them lives. */
  share(pids: readonly number[]): Promise<void>;
}

/** Longer than another process takes between two steps of its claim. */
const SETTLE_MS = 200;
/** Jobs end by themselves, at the next sign of progress, when the process that they work for has gone. */
const JOBS_END_MS = 10_000;

/**
 * Claims a run folder for this process, so that two studies never write the same stage. The claim of a process that no
 * longer lives (killed, machine restarted) is taken over when the jobs that worked for it have ended too.
 *
 * @throws RunInUseError while its owner lives.
 */
export async function lockRun(folder: string): Promise<RunLock> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, "study.lock");
  const own: Owner = { pid: process.pid, start: await startOf(process.pid) };
  const lock: RunLock = {
    release: () => rm(path, { force: true }),
    async share(pids) {
      const jobs = await Promise.all(pids.map(async (pid) => ({ pid, start: await startOf(pid) })));
      await writeFileAtomic(path, JSON.stringify({ ...own, jobs } satisfies Claim));
    },
  };
  if (await claim(path, own)) return lock;
  const owner = await readOwner(path);
  if (owner && owner.pid !== process.pid && (await isAlive(owner))) throw inUse(folder, owner);
  for (const job of owner?.jobs ?? []) {
    for (let waited = 0; await isAlive(job); waited += SETTLE_MS) {
      if (waited >= JOBS_END_MS) throw inUse(folder, job);
      await wait(SETTLE_MS);
    }
  }
  await rm(path, { force: true });
  // Of two that found the same dead claim, one may remove what the other has just written: the last one has it.
  if (await claim(path, own)) await wait(SETTLE_MS);
  const heir = await readOwner(path);
  if (heir?.pid === own.pid) return lock;
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
async function readOwner(path: string): Promise<Claim | undefined> {
  for (const isLast of [false, true]) {
    try {
      return JSON.parse(await readFile(path, "utf8")) as Claim;
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
  if (start === null) return true;
  const [state, ...fields] = await statOf(pid);
  return state !== "Z" && fields[18] === start; // a zombie has ended, and waits to be noticed
}

/** When a process was started, in ticks since the machine's own start (Linux); null elsewhere. */
async function startOf(pid: number): Promise<string | null> {
  return (await statOf(pid))[19] ?? null;
}

/** What Linux says of a process, from its state on; nothing elsewhere. */
async function statOf(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the command in parentheses and may hold spaces; the start is the 22nd of all.
  return text === "" ? [] : text.slice(text.lastIndexOf(")") + 2).split(" ");
}
