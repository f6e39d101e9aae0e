import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { ImageError } from "./errors.ts";

/**
 * Gaussian blur with mirrored borders: each axis is weighed by exp(-x^2 / (2 sigma^2)), normalised, x = whole
 * pixels from the centre (torchvision `gaussian_blur`).
 *
 * @param images [B, C, H, W], floating point
 * @param kernel number of weights, odd; half of it must be smaller than each side of the image
 * @param sigma in pixels, for all images or one for each
 * @throws ImageError for a kernel that is even or too wide, and a sigma that is not above 0 or not one an image
 */
export function gaussianBlur(images: Tensor, kernel: number, sigma: number | readonly number[]): Tensor {
  const [count = 0, , height = 0, width = 0] = images.shape;
  const half = (kernel - 1) / 2;
  const sigmas = typeof sigma === "number" ? Array.from({ length: count }, () => sigma) : sigma;
  const isPossible = Number.isInteger(half) && half >= 0 && half < Math.min(height, width);
  if (!isPossible || sigmas.length !== count || !sigmas.every((one) => one > 0)) {
    throw new ImageError(
      `Cannot blur ${count} images of ${height} x ${width} with kernel ${kernel} and sigma ${sigma}: the kernel must be odd and less than twice the shorter side, sigma positive, one for all or one an image.`,
    );
  }
  const bells = sigmas.flatMap((one) => bell(kernel, one));
  return scope(() => {
    const weights = torch
      .fromTyped(Float64Array.from(bells), [count, 1, 1, 1, kernel])
      .to({ device: images.device, dtype: images.dtype });
    const padded = images.reflectionPad2d([half, half, half, half]);
    const across = weighed(padded, weights, -1, width);
    return weighed(across, weights, -2, height); // [B, C, H, W]
  });
}

/** The normalised weights of one axis. */
function bell(kernel: number, sigma: number): number[] {
  const half = (kernel - 1) / 2;
  const weights = Array.from({ length: kernel }, (_, i) => Math.exp(-0.5 * ((i - half) / sigma) ** 2));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The weighed sum of shifted images: unlike a convolution by groups, the same bits whatever else is in the batch. */
function weighed(padded: Tensor, weights: Tensor, dimension: -1 | -2, length: number): Tensor {
  const kernel = weights.shape[4] as number;
  const shifted = (i: number) => padded.narrow(dimension, i, length);
  const sum = shifted(0).mul(weights.select(4, 0));
  for (let i = 1; i < kernel; i++) sum.addcmul_(shifted(i), weights.select(4, i));
  return sum;
}
