/** Transforms of tone on floating point images in 0..1, each value by itself or by its channel. Each equals its torchvision namesake. */
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import type { Factor } from "./colour.ts";

/** The negative of what is at least the threshold: x -> 1 - x where x >= threshold. */
export function solarize(images: Tensor, threshold: Factor): Tensor {
  return scope(() => torch.where(images.ge(threshold), images.neg().add(1), images));
}

/**
 * Keeps the upper bits of 8, for each value of 0..255 that a channel rounds to.
 *
 * @param bits 0 … 8; 8 leaves only the rounding
 */
export function posterize(images: Tensor, bits: number): Tensor {
  const step = 2 ** (8 - bits);
  return scope(() =>
    levelsOf(images)
      .div(step)
      .floor()
      .mul(step / 255),
  );
}

/** Stretches every channel of every image over 0..1; one of a single value stays as it is. */
export function autoContrast(images: Tensor): Tensor {
  return scope(() => {
    const low = images.amin({ dim: [-2, -1], keepdim: true }); // [B, 3, 1, 1]
    const high = images.amax({ dim: [-2, -1], keepdim: true });
    const isFlat = high.eq(low);
    const width = high.sub(low).maskedFill(isFlat, 1);
    const stretched = images.sub(low.maskedFill(isFlat, 0)).div(width);
    return stretched.clamp_({ min: 0, max: 1 });
  });
}

/**
 * Makes every value of a channel about equally frequent: with h the histogram of the 256 levels, p all pixels but those
 * of the highest level that occurs, and s = floor(p / 255), level l becomes floor((sum of h below l + floor(s / 2)) / s).
 * A channel with s = 0 stays as it is.
 *
 * @param images [B, C, H, W]
 */
export function equalize(images: Tensor): Tensor {
  return scope(() => {
    const { shape } = images;
    const [count = 0, channels = 0] = shape;
    const levels = levelsOf(images)
      .to("int64")
      .reshape([count * channels, -1]); // [B C, H W]
    const histogram = torch
      .zeros([count * channels, 256], { dtype: "int64", device: images.device })
      .scatterAdd(1, levels, levels.onesLike()); // [B C, 256]
    const ofHighest = histogram.gather(1, levels.amax({ dim: [1], keepdim: true })); // [B C, 1]
    const step = ofHighest
      .neg()
      .add(levels.shape[1] as number)
      .floorDivide(255); // [B C, 1]
    const isKept = step.eq(0);
    const divisor = step.maskedFill(isKept, 1);
    const below = histogram.cumsum(1).sub(histogram); // [B C, 256]: pixels of lower levels
    const half = step.floorDivide(2);
    const table = below.add(half).floorDivide(divisor).clamp({ min: 0, max: 255 });
    const lowest = torch.arange(256, { device: images.device }).eq(0); // level 0 stays 0
    const mapped = table.maskedFill(lowest, 0).gather(1, levels);
    return torch
      .where(isKept, levels, mapped)
      .to(images.dtype)
      .div(255)
      .reshape([...shape]);
  });
}

/**
 * Away from (factor > 1) or towards (< 1) the image smoothed by [1 1 1; 1 5 1; 1 1 1] / 13, whose border is the image's.
 *
 * @param images [B, C, H, W]; smaller than 3 pixels it stays as it is
 */
export function adjustSharpness(images: Tensor, factor: Factor): Tensor {
  const [, channels = 0, height = 0, width = 0] = images.shape;
  if (height <= 2 || width <= 2) return images.clone();
  return scope(() => {
    const kernel = torch
      .tensor([1, 1, 1, 1, 5, 1, 1, 1, 1].map((weight) => weight / 13))
      .to({ device: images.device, dtype: images.dtype })
      .view([1, 1, 3, 3])
      .expand([channels, 1, 3, 3]);
    const smooth = images.clone();
    const inside = smooth.narrow(-2, 1, height - 2).narrow(-1, 1, width - 2);
    inside.copy_(torch.conv2d(images, kernel, { groups: channels }));
    return smooth.add(images.sub(smooth).mul(factor)).clamp_({ min: 0, max: 1 });
  });
}

/** The level 0..255 that each value rounds to, still floating point. */
function levelsOf(images: Tensor): Tensor {
  return images.mul(255).round().clamp({ min: 0, max: 255 });
}
