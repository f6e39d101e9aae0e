import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes a file aside, flushes it and renames it: readers see the old content or the new one, never a part. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}.part`;
  const file = await open(aside, "w");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
}

/** Writes one JSON value per line. */
export function writeJsonLines(path: string, lines: readonly unknown[]): Promise<void> {
  return writeFileAtomic(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

/** Reads what `writeJsonLines` wrote. The caller vouches for the type: these are the study's own files. */
export async function readJsonLines<T>(path: string): Promise<T[]> {
  const text = await readFile(path, "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** Reads a JSON file of the study's own. */
export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}
