import type { Tensor } from "@penumbra/torch";
import type { Given } from "./samples.ts";
import type { Sharing } from "./shared.ts";

/** Larger images are averaged down to this side: what is missing at this size is an object, not a grain. */
const SIDE = 32;

/** Images as rows of values: [N, 3, H, W] in 0..1 -> float64 [N, D]. */
export function flatPixels(pixels: Tensor): Tensor {
  const [height = 0, width = 0] = pixels.shape.slice(2);
  const isLarge = height > SIDE || width > SIDE;
  const small = isLarge ? pixels.adaptiveAvgPool2d([Math.min(SIDE, height), Math.min(SIDE, width)]) : pixels;
  return small.to("float64").flatten({ startDim: 1 });
}

/** {@link flatPixels} of the images of a detector, made once for all that read them. */
export function rowsOfPixels({ pixels, once }: Given<"pixels"> & Sharing): Tensor {
  return once("pixels as rows", () => ({ rows: flatPixels(pixels) })).rows;
}
