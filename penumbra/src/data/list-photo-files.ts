import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "./errors.ts";
import { compareNatural } from "./natural.ts";
import { isClutter, isImageName } from "./sources/index.ts";

/**
 * The files with names of images in a folder and below, whatever the folders are called; hidden ones and what systems
 * leave behind are passed over. For photos without classes.
 *
 * @returns paths that begin with `folder`, in natural order
 * @throws DataError when the folder cannot be read
 */
export async function listPhotoFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(`The folder "${folder}" cannot be read (${cause.code}). Give a folder of photos.`, {
      cause,
    });
  });
  const found: string[] = [];
  for (const entry of entries.sort((a, b) => compareNatural(a.name, b.name))) {
    const path = join(folder, entry.name);
    if (isClutter(entry.name)) continue;
    if (entry.isDirectory()) found.push(...(await listPhotoFiles(path)));
    else if (isImageName(entry.name)) found.push(path);
  }
  return found;
}
