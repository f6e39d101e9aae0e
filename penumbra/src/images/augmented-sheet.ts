import * as torch from "@penumbra/torch";
import { deriveSeed, scope, type Tensor } from "@penumbra/torch";
import { augment } from "./augment.ts";
import type { AugmentSpec } from "./augment-spec.ts";
import { contactSheet } from "./sheet.ts";

/**
 * A picture of what augmentation makes of photos: each row a photo as the encoder gets it, then random versions of it.
 * The same seed gives the same picture.
 *
 * @param pixels uint8 [N, 3, H, W]
 * @returns uint8 [3, height, width]
 */
export function augmentedSheet(
  pixels: Tensor,
  spec: AugmentSpec,
  { versions, seed }: { readonly versions: number; readonly seed: number },
): Tensor {
  return scope(() => {
    const images = pixels.to("float32").div(255);
    const rows = Array.from({ length: pixels.shape[0] as number }, (_, row) => row);
    const columns = Array.from({ length: versions }, (_, version) =>
      augment(
        images,
        spec,
        rows.map((row) => deriveSeed(seed, "preview", row, version)),
      ),
    );
    const cells = torch.stack([images, ...columns], { dim: 1 }).flatten({ startDim: 0, endDim: 1 }); // [rows, 1 + versions, 3, H, W] -> [cells, 3, H, W]
    return contactSheet(cells, { columns: 1 + versions });
  });
}
