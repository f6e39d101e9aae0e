import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Tensor } from "@penumbra/torch";
import { decodeMask, type Fit } from "../images/index.ts";
import { DataError } from "./errors.ts";
import { listPhotoFiles } from "./list-photo-files.ts";

/** A path without the ending of its file: what a photo and its mask have in common. */
const stem = (path: string): string => path.replaceAll("\\", "/").replace(/\.[^./]*$/, "");

/**
 * The masks of photos: files of a folder with the photos' own paths, whatever their ending; white is the object.
 *
 * @returns float32 [1, size, size] by the photos' ids, 1 where the object is
 * @throws DataError naming the first photo without a mask; ImageError for a mask that cannot be read
 */
export async function readMasks(
  folder: string,
  photos: readonly { readonly id: string }[],
  size: number,
  { fit }: { readonly fit?: Fit } = {},
): Promise<Map<string, Tensor>> {
  const files = await listPhotoFiles(folder);
  const byStem = new Map(files.map((file) => [stem(relative(folder, file)), file]));
  const masks = new Map<string, Tensor>();
  for (const { id } of photos) {
    const file = byStem.get(stem(id));
    if (file === undefined) {
      for (const mask of masks.values()) mask.dispose();
      throw new DataError(
        `The photo "${id}" has no mask in ${folder}. Add ${join(folder, `${stem(id)}.png`)}, white where the object is, or let no recipe keep a part.`,
      );
    }
    masks.set(id, await decodeMask(file, size, { fit }));
  }
  return masks;
}

/** SHA-256 over the paths and contents of all masks of a folder. */
export async function hashMasks(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const file of (await listPhotoFiles(folder)).sort()) {
    const bytes = await readFile(file);
    hash.update(`${relative(folder, file)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}
