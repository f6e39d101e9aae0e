import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ASIDE_ENDING, asideStem, leftByDead } from "./aside.ts";

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
  const hidden = `.${basename(target)}`;
  clearAfterDead(target, hidden);
  const stem = join(dirname(target), asideStem(hidden));
  const [aside, old] = [`${stem}${ASIDE_ENDING}`, `${stem}${OLD_ENDING}`];
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

/**
 * What processes that were killed amid their work have left beside a folder: the old folder gets its name back where
 * there is no new one, the rest is removed.
 */
function clearAfterDead(target: string, hidden: string): void {
  for (const { path, of } of leftByDead(dirname(target))) {
    if (of !== hidden) continue;
    if (path.endsWith(OLD_ENDING) && !existsSync(target)) renameSync(path, target);
    else rmSync(path, { recursive: true, force: true });
  }
}
