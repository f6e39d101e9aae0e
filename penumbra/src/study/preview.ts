import { resolve } from "node:path";
import * as torch from "@penumbra/torch";
import { scope } from "@penumbra/torch";
import { deriveSeed } from "@penumbra/torch/random";
import { decodePhotos, groupBy, scanPhotos } from "../data/index.ts";
import { augment, contactSheet, encodePng } from "../images/index.ts";
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
  const shown = inTurns([...groupBy(known, ({ className }) => className).values()]).slice(0, rows);
  const { fit, imageSize: size, interpolation, encoder } = await settle({ config, folder });
  const { root, white } = manifest;
  const pixels = await decodePhotos(root, shown, { size, fit, interpolation, white });
  await scope(async () => {
    const images = pixels.to("float32").div(255);
    const columns = Array.from({ length: versions }, (_, version) =>
      augment(
        images,
        encoder.augment,
        shown.map((_, row) => deriveSeed(seed, "preview", row, version)),
      ),
    );
    const cells = torch.stack([images, ...columns], { dim: 1 }).flatten({ startDim: 0, endDim: 1 }); // [rows, 1 + versions, 3, H, W] -> [cells, 3, H, W]
    await encodePng(contactSheet(cells, { columns: 1 + versions }), path);
  });
  pixels.dispose();
  return shown.length;
}

/** The first of each list, then the second of each, and so on. */
function inTurns<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, turn) =>
    lists.flatMap((list) => list.slice(turn, turn + 1)),
  ).flat();
}
