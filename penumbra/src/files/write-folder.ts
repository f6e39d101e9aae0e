import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { ASIDE_ENDING } from "./write-file.ts";

/**
 * Makes a folder as a whole: `write` fills one aside, which then takes the name. Whoever reads finds the old folder
 * or the new one; when `write` throws, nothing is left behind.
 */
export function writeFolder(folder: string, write: (aside: string) => void): void {
  const replacement = beginReplacing(folder);
  try {
    write(replacement.aside);
    replacement.commit();
  } finally {
    replacement.end();
  }
}

/** As `writeFolder`, where filling the folder takes its time. */
export async function writeFolderAsync(
  folder: string,
  write: (aside: string) => Promise<void>,
): Promise<void> {
  const replacement = beginReplacing(folder);
  try {
    await write(replacement.aside);
    replacement.commit();
  } finally {
    replacement.end();
  }
}

/** A folder aside; `commit` gives it the name, `end` removes what is in neither place's name any more. */
function beginReplacing(folder: string) {
  const target = resolve(folder);
  const stem = `.${basename(target)}.${HOST}`;
  clearAfterDead(target, stem);
  const name = `${stem}-${process.pid}-${randomBytes(4).toString("hex")}`;
  const aside = join(dirname(target), `${name}${ASIDE_ENDING}`);
  const old = join(dirname(target), `${name}${OLD_ENDING}`);
  mkdirSync(aside, { recursive: true });
  return {
    aside,
    commit() {
      if (existsSync(target)) renameSync(target, old);
      renameSync(aside, target);
    },
    end() {
      if (existsSync(old) && !existsSync(target)) renameSync(old, target);
      for (const rest of [aside, old]) rmSync(rest, { recursive: true, force: true });
    },
  };
}

const OLD_ENDING = ".old";

/** Tells processes of this machine from those of another that writes to the same disk. */
const HOST = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);

/**
 * What processes that were killed amid their work have left beside a folder: the old folder gets its name back where
 * there is no new one, the rest is removed.
 */
function clearAfterDead(target: string, stem: string): void {
  const place = dirname(target);
  if (!existsSync(place)) return;
  const left = readdirSync(place).filter((name) => {
    const pid = name.startsWith(`${stem}-`) && /^-(\d+)-/.exec(name.slice(stem.length))?.[1];
    return pid && Number(pid) !== process.pid && !isAlive(Number(pid));
  });
  for (const name of left) {
    const path = join(place, name);
    if (name.endsWith(OLD_ENDING) && !existsSync(target)) renameSync(path, target);
    else rmSync(path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH"; // EPERM: somebody else's, and alive
  }
}
