import { readFile } from "node:fs/promises";
import { writeFileAtomic } from "./write-file.ts";

/** Writes one JSON value per line. */
export function writeJsonLines(path: string, lines: readonly unknown[]): Promise<void> {
  return writeFileAtomic(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

/** Reads what `writeJsonLines` wrote. The caller vouches for the type: these are the project's own files. */
export async function readJsonLines<T>(path: string): Promise<T[]> {
  const text = await readFile(path, "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** Reads a JSON file of the project's own. */
export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}
