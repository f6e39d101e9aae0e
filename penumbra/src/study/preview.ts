import { resolve } from "node:path";
import { decodePhotos, photosOfAllClasses, scanPhotos } from "../data/index.ts";
import { augmentedSheet, encodePng } from "../images/index.ts";
import type { LoadedConfig } from "./config/index.ts";
import { settle } from "./find-weights.ts";
import { scanOptionsOf } from "./plan-study.ts";

export interface PreviewOptions {
  /** Photos at most, each a row, of as many classes as there are. Default 8. */
  readonly rows?: number;
  /** Random versions of each photo, to the right of it. Default 8. */
  readonly versions?: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * Writes a sheet of what `encoder.augment` makes of the photos: each row a photo of a known class as the encoder gets
 * it, then random versions of it. The same seed gives the same sheet.
 *
 * @param path of the PNG file
 * @returns how many rows it has
 * @throws DataError as `scanPhotos`
 */
export async function writePreview(
  { config, folder }: Pick<LoadedConfig, "config" | "folder">,
  path: string,
  { rows = 8, versions = 8, seed = 0 }: PreviewOptions = {},
): Promise<number> {
  const manifest = await scanPhotos(resolve(folder, config.photos), scanOptionsOf(config));
  const known = manifest.photos.filter(({ role }) => role === "known");
  const shown = photosOfAllClasses(known, rows);
  const { fit, imageSize: size, interpolation, encoder } = await settle({ config, folder });
  const { root, white } = manifest;
  const pixels = await decodePhotos(root, shown, { size, fit, interpolation, white });
  const sheet = augmentedSheet(pixels, encoder.augment, { versions, seed });
  pixels.dispose();
  await encodePng(sheet, path);
  sheet.dispose();
  return shown.length;
}
