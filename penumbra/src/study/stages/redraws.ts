import { join } from "node:path";
import { fromTyped, type Tensor } from "@penumbra/torch";
import { type RedrawLine, redrawLines } from "../../diffusion/index.ts";
import { decodeImage } from "../../images/index.ts";
import type { SettledConfig } from "../config/index.ts";
import type { Artifact } from "../store/index.ts";

/** The redraws of an artifact, uint8 [N, 3, imageSize, imageSize], and their manifest lines. The caller disposes the images. */
export async function loadRedraws(
  artifact: Artifact,
  { imageSize: size, interpolation }: Pick<SettledConfig, "imageSize" | "interpolation">,
): Promise<{ readonly images: Tensor; readonly lines: readonly RedrawLine[] }> {
  const lines = await redrawLines(artifact.folder);
  const length = 3 * size * size;
  const pixels = new Uint8Array(lines.length * length);
  for (const [index, { file }] of lines.entries()) {
    pixels.set(await decodeImage(join(artifact.folder, file), size, { interpolation }), index * length);
  }
  return { images: fromTyped(pixels, [lines.length, 3, size, size]), lines };
}
