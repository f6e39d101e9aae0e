import { full, scope, type Tensor } from "@penumbra/torch";
import { toUint8 } from "./encode.ts";
import { ImageError } from "./errors.ts";

export interface SheetOptions {
  /** Images in a row. */
  readonly columns: number;
  /** Pixels between images. */
  readonly gap?: number;
  /** Grey level 0..255 of gaps and of empty places. */
  readonly background?: number;
}

/**
 * Arranges a batch as one picture, row by row.
 *
 * @param images [N, 3, H, W]; uint8, or floating point 0..1
 * @returns uint8 [3, rows * (H + gap) - gap, columns * (W + gap) - gap]
 */
export function contactSheet(images: Tensor, { columns, gap = 2, background = 255 }: SheetOptions): Tensor {
  const [count = 0, channels = 0, height = 0, width = 0] = images.shape;
  if (images.ndim !== 4 || count === 0 || columns < 1) {
    throw new ImageError(
      `Cannot lay out images of shape [${images.shape}] in ${columns} columns: a sheet needs [N, 3, height, width] with N >= 1 and at least one column.`,
    );
  }
  const rows = Math.ceil(count / columns);
  return scope(() => {
    const pixels = toUint8(images).to("cpu");
    const shape = [channels, rows * (height + gap) - gap, columns * (width + gap) - gap];
    const sheet = full(shape, background, { dtype: "uint8" });
    for (let i = 0; i < count; i++) {
      const top = Math.floor(i / columns) * (height + gap);
      const left = (i % columns) * (width + gap);
      sheet.narrow(1, top, height).narrow(2, left, width).copy_(pixels.select(0, i));
    }
    return sheet;
  });
}
