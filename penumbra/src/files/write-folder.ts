import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/**
 * Makes a folder as a whole: `write` fills one aside, which then takes the name. Whoever reads finds the old folder
 * or the new one; when `write` throws, nothing is left behind.
 */
export function writeFolder(folder: string, write: (aside: string) => void): void {
  const target = resolve(folder);
  const name = `.${basename(target)}.${randomBytes(6).toString("hex")}`;
  const aside = join(dirname(target), `${name}.partial`);
  const old = join(dirname(target), `${name}.old`);
  mkdirSync(aside, { recursive: true });
  try {
    write(aside);
    if (existsSync(target)) renameSync(target, old);
    renameSync(aside, target);
  } catch (cause) {
    if (existsSync(old) && !existsSync(target)) renameSync(old, target);
    rmSync(aside, { recursive: true, force: true });
    throw cause;
  }
  rmSync(old, { recursive: true, force: true });
}
