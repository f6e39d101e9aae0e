import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { ImageError } from "./errors.ts";

/**
 * Gaussian blur with mirrored borders: each axis is weighed by exp(-x^2 / (2 sigma^2)), normalised, x = whole
 * pixels from the centre (torchvision `gaussian_blur`).
 *
 * @param images [B, C, H, W], floating point
 * @param kernel number of weights, odd; half of it must be smaller than each side of the image
 * @param sigma in pixels
 */
export function gaussianBlur(images: Tensor, kernel: number, sigma: number): Tensor {
  const [, channels = 0, height = 0, width = 0] = images.shape;
  const half = (kernel - 1) / 2;
  if (!Number.isInteger(half) || half < 0 || half >= Math.min(height, width) || sigma <= 0) {
    throw new ImageError(
      `Cannot blur images of ${height} x ${width} with kernel ${kernel} and sigma ${sigma}: the kernel must be odd and less than twice the shorter side, sigma positive.`,
    );
  }
  const bell = Array.from({ length: kernel }, (_, i) => Math.exp(-0.5 * ((i - half) / sigma) ** 2));
  const total = bell.reduce((sum, weight) => sum + weight, 0);
  return scope(() => {
    const weights = torch
      .tensor(bell.map((weight) => weight / total))
      .to({ device: images.device, dtype: images.dtype });
    const row = weights.view([1, 1, 1, kernel]).expand([channels, 1, 1, kernel]);
    const column = weights.view([1, 1, kernel, 1]).expand([channels, 1, kernel, 1]);
    const padded = images.reflectionPad2d([half, half, half, half]);
    const across = torch.conv2d(padded, row, { groups: channels });
    return torch.conv2d(across, column, { groups: channels }); // [B, C, H, W]
  });
}
