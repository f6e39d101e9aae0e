import type { Tensor } from "@penumbra/torch";

/** Larger images are averaged down to this side: what is missing at this size is an object, not a grain. */
const SIDE = 32;

/** Images as rows of values: [N, 3, H, W] in 0..1 -> float64 [N, D]. */
export function flatPixels(pixels: Tensor): Tensor {
  const [height = 0, width = 0] = pixels.shape.slice(2);
  const isLarge = height > SIDE || width > SIDE;
  const small = isLarge ? pixels.adaptiveAvgPool2d([Math.min(SIDE, height), Math.min(SIDE, width)]) : pixels;
  return small.to("float64").flatten({ startDim: 1 });
}
