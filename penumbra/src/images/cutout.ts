import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { ImageError } from "./errors.ts";
import type { Box } from "./geometry.ts";

/** True inside the box of each image, [B, 1, H, W]; a box may reach beyond its image. */
export function boxMask(
  boxes: readonly Box[],
  [height, width]: readonly [number, number],
  device: string,
): Tensor {
  return scope(() => {
    const column = (values: readonly number[]) =>
      torch.fromTyped(Float32Array.from(values), [boxes.length, 1, 1, 1]).to(device);
    const y = torch.arange(height, { device }).view([1, 1, height, 1]);
    const x = torch.arange(width, { device }).view([1, 1, 1, width]);
    const between = (places: Tensor, from: readonly number[], length: readonly number[]) =>
      places.ge(column(from)).logicalAnd(places.lt(column(from.map((start, i) => start + length[i]!))));
    const rows = between(
      y,
      boxes.map(({ top }) => top),
      boxes.map((box) => box.height),
    );
    const columns = between(
      x,
      boxes.map(({ left }) => left),
      boxes.map((box) => box.width),
    );
    return rows.logicalAnd(columns);
  });
}

/**
 * Covers a box of every image (Cutout, DeVries and Taylor 2017).
 *
 * @param images [B, C, H, W], floating point 0..1
 * @param boxes one an image; what lies beyond the image covers nothing
 * @param level what is seen there; default 0.5, which is 0 once pixels are normalised by 0.5
 * @throws ImageError when there is not one box an image
 */
export function cutout(images: Tensor, boxes: readonly Box[], level = 0.5): Tensor {
  const [count, , height = 0, width = 0] = images.shape;
  if (images.ndim !== 4 || boxes.length !== count) {
    throw new ImageError(
      `Got ${boxes.length} boxes for a tensor of shape [${images.shape}]. Give images as [B, C, height, width] and one box an image.`,
    );
  }
  return scope(() => images.maskedFill(boxMask(boxes, [height, width], images.device), level));
}
