import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
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
  const name = `.${basename(target)}.${randomBytes(6).toString("hex")}`;
  const aside = join(dirname(target), `${name}${ASIDE_ENDING}`);
  const old = join(dirname(target), `${name}.old`);
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
