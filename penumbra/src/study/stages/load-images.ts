import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromTyped, type Tensor } from "@penumbra/torch";
import { type ImageLine, imageLines, mapConcurrently } from "../../data/index.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { decodeImage } from "../../images/index.ts";
import type { Artifact } from "../store/index.ts";
import type { StudyContext } from "./context.ts";

/**
 * The images of an artifact, uint8 [N, 3, size, size], and their manifest lines. They are decoded once: their pixels
 * lie in the run's cache. The caller disposes the images.
 */
export async function loadImages(
  { config, cacheFolder }: StudyContext,
  artifact: Artifact,
): Promise<{ readonly images: Tensor; readonly lines: readonly ImageLine[] }> {
  const { imageSize: size, interpolation } = config;
  const lines = await imageLines(artifact.folder);
  const length = 3 * size * size;
  const kept = join(cacheFolder, "images-v1", `${artifact.hash.slice(0, 32)}-${size}-${interpolation}.u8`);
  let pixels: Uint8Array | undefined = await readFile(kept).catch(() => undefined);
  // Also a file of the wrong length: a disk that filled up or lost power.
  if (pixels?.length !== lines.length * length) {
    const decoded = new Uint8Array(lines.length * length);
    await mapConcurrently(lines, async ({ file }, index) => {
      decoded.set(await decodeImage(join(artifact.folder, file), size, { interpolation }), index * length);
    });
    await writeFileAtomic(kept, decoded, { flush: false });
    pixels = decoded;
  }
  return { images: fromTyped(pixels, [lines.length, 3, size, size]), lines };
}
