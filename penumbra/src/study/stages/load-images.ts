import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fromTyped, type Tensor } from "@penumbra/torch";
import { BROUGHT, type ImageLine, imageLines, mapConcurrently } from "../../data/index.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { decodeImage } from "../../images/index.ts";
import { FolderSection } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import type { StudyContext } from "./context.ts";

/**
 * Where the image of a line lies: in the artifact's folder, or where the configuration says that it was brought from.
 * No artifact says so itself, so that run and images can be moved together.
 */
export function imagePath(
  { config, folder: base }: Pick<StudyContext, "config" | "folder">,
  folder: string,
  { generator, recipe, file }: ImageLine,
): string {
  if (generator !== BROUGHT) return join(folder, file);
  return join(resolve(base, FolderSection.parse(config.sources[recipe]).folder), file);
}

/**
 * The images of an artifact, uint8 [N, 3, size, size], and their manifest lines. They are decoded once: their pixels
 * lie in the run's cache. The caller disposes the images.
 */
export async function loadImages(
  context: StudyContext,
  artifact: Artifact,
): Promise<{ readonly images: Tensor; readonly lines: readonly ImageLine[] }> {
  const { config, cacheFolder } = context;
  const { imageSize: size, interpolation, fit } = config;
  const lines = await imageLines(artifact.folder);
  const length = 3 * size * size;
  const way = [size, interpolation, ...(fit === "squash" ? [] : [fit])].join("-");
  const kept = join(cacheFolder, "images-v1", `${artifact.hash.slice(0, 32)}-${way}.u8`);
  let pixels: Uint8Array | undefined = await readFile(kept).catch(() => undefined);
  // Also a file of the wrong length: a disk that filled up or lost power.
  if (pixels?.length !== lines.length * length) {
    const decoded = new Uint8Array(lines.length * length);
    await mapConcurrently(lines, async (line, index) => {
      const path = imagePath(context, artifact.folder, line);
      // What was drawn is square: the fit is for what was brought.
      decoded.set(await decodeImage(path, size, { interpolation, fit }), index * length);
    });
    await writeFileAtomic(kept, decoded, { flush: false });
    pixels = decoded;
  }
  return { images: fromTyped(pixels, [lines.length, 3, size, size]), lines };
}
