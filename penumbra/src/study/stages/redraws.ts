import { join } from "node:path";
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import type { RedrawLine } from "../../diffusion/index.ts";
import { readJsonLines } from "../../files/index.ts";
import { decodeImage } from "../../images/index.ts";
import type { Artifact } from "../store/index.ts";

/** The manifest lines of a redraw artifact; `file` is relative to its folder. */
export function redrawLines(artifact: Artifact): Promise<RedrawLine[]> {
  return readJsonLines(join(artifact.folder, "manifest.jsonl"));
}

/** The redraws of an artifact, uint8 [N, 3, size, size], and their manifest lines. The caller disposes the images. */
export async function loadRedraws(
  artifact: Artifact,
  size: number,
): Promise<{ readonly images: Tensor; readonly lines: readonly RedrawLine[] }> {
  const lines = await redrawLines(artifact);
  const length = 3 * size * size;
  const pixels = new Uint8Array(lines.length * length);
  for (const [index, { file }] of lines.entries()) {
    pixels.set(await decodeImage(join(artifact.folder, file), size), index * length);
  }
  return { images: torch.fromTyped(pixels, [lines.length, 3, size, size]), lines };
}
