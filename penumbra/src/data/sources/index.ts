/** Where photos come from: folders, lists, archives. */
import { readFile as readFileCallback } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type FolderOptions, scanFolders } from "./folders.ts";
import { idxFileOf, idxFiles, isIdxEntry, readIdxEntry, scanIdx } from "./idx.ts";
import { LIST_ENDINGS, scanList } from "./list.ts";
import type { Source } from "./source.ts";

export { isClutter, isImageName } from "./file-names.ts";
export { matcher } from "./glob.ts";
export {
  type Candidate,
  type ClassFolder,
  LAYOUTS,
  type Layout,
  type ObjectRule,
  type Source,
} from "./source.ts";

/**
 * Lists the photos of a folder, of a list (.csv, .tsv, .jsonl) or of a folder of IDX archives.
 *
 * @throws DataError when there is none, or it cannot be understood
 */
export async function openSource(place: string, options: FolderOptions = {}): Promise<Source> {
  if (LIST_ENDINGS.some((ending) => place.toLowerCase().endsWith(ending))) return scanList(place, options);
  const archives = await idxFiles(place);
  return archives.length > 0 ? scanIdx(place, archives) : scanFolders(place, options);
}

/** Three quarters of the cost of its namesake in `node:fs/promises`, which matters for a hundred thousand small files. */
const readFile = promisify(readFileCallback);

/** The bytes of a photo. */
export function readPhoto(root: string, id: string): Promise<Uint8Array> {
  return isIdxEntry(id) ? readIdxEntry(root, id) : readFile(join(root, id));
}

/** Length and time of change of the file that a photo lies in: while they stay, so does the photo. */
export async function stampOf(root: string, id: string): Promise<{ size: number; mtimeMs: number }> {
  const { size, mtimeMs } = await stat(join(root, isIdxEntry(id) ? idxFileOf(id) : id));
  return { size, mtimeMs };
}
