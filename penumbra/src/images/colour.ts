/** Transforms of colour on floating point images in 0..1. Each equals its torchvision namesake. */
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";

/** A factor for all images, or one per image as a tensor that broadcasts: [B, 1, 1, 1]. */
export type Factor = number | Tensor;

/** Luma of ITU-R BT.601 with the four digits that torchvision and Pillow use. */
export const LUMA = { red: 0.2989, green: 0.587, blue: 0.114 } as const;

/**
 * Luma = 0.2989 red + 0.587 green + 0.114 blue.
 *
 * @param images [B, 3, H, W]
 * @returns [B, 1, H, W]
 */
export function luma(images: Tensor): Tensor {
  return scope(() =>
    images
      .narrow(1, 0, 1)
      .mul(LUMA.red)
      .add_(images.narrow(1, 1, 1), { alpha: LUMA.green })
      .add_(images.narrow(1, 2, 1), { alpha: LUMA.blue }),
  );
}

/** Grey images of three equal channels: [B, 3, H, W] -> [B, 3, H, W]. */
export function grayscale(images: Tensor): Tensor {
  return scope(() =>
    luma(images)
      .expand([...images.shape])
      .contiguous(),
  );
}

/** `factor * images`, in 0..1: 0 is black, 1 leaves the images as they are. */
export function adjustBrightness(images: Tensor, factor: Factor): Tensor {
  return scope(() => images.mul(factor).clamp_({ min: 0, max: 1 }));
}

/** Away from (factor > 1) or towards (< 1) the mean luma of each image, in 0..1. */
export function adjustContrast(images: Tensor, factor: Factor): Tensor {
  return scope(() => blend(images, luma(images).mean([-3, -2, -1], { keepdim: true }), factor));
}

/** Away from (factor > 1) or towards (< 1) the luma of each pixel, in 0..1: 0 is grey. */
export function adjustSaturation(images: Tensor, factor: Factor): Tensor {
  return scope(() => blend(images, luma(images), factor));
}

/** clamp(factor * images + (1 - factor) * other, 0, 1) */
function blend(images: Tensor, other: Tensor, factor: Factor): Tensor {
  // torch.lerp would be one pass, but is exact at the other end: other + factor (images - other) rounds differently.
  return images
    .mul(factor)
    .add_(other.sub(other.mul(factor)))
    .clamp_({ min: 0, max: 1 });
}

/**
 * Turns the hue in HSV space.
 *
 * With V = max, C = max - min, S = C / V and hue H in 0..1, a channel is (Foley and van Dam; the closed form of
 * the usual six cases): V - V S max(0, min(k, 4 - k, 1)), k = (n + 6 H) mod 6, n = 5, 3, 1 for red, green, blue.
 *
 * @param shift -0.5..0.5, in turns of the colour circle; both ends are the complementary colour
 */
export function adjustHue(images: Tensor, shift: Factor): Tensor {
  return scope(() => {
    const value = images.amax({ dim: [1], keepdim: true }); // [B, 1, H, W]
    const chroma = value.sub(images.amin({ dim: [1], keepdim: true })); // [B, 1, H, W]
    const hue = hueOf(images, value, chroma); // [B, 1, H, W]
    const turned = hue.add(shift).mul_(6); // in sixths of a turn
    const phase = torch.tensor([5, 3, 1], { device: images.device }).to(images.dtype).view([1, 3, 1, 1]);
    const k = turned.add(phase).remainder_(6); // [B, 3, H, W]
    const depth = k.minimum(k.neg().add_(4)).clamp_({ min: 0, max: 1 });
    return value.sub(chroma.mul(depth)).clamp_({ min: 0, max: 1 });
  });
}

/** Hue in turns (any whole number of turns off); 0 for grey. The first of red, green, blue that is largest decides. */
function hueOf(images: Tensor, value: Tensor, chroma: Tensor): Tensor {
  const [red, green, blue] = [0, 1, 2].map((c) => images.narrow(1, c, 1)) as [Tensor, Tensor, Tensor];
  const divisor = torch.where(chroma.eq(0), chroma.onesLike(), chroma);
  const fromRed = green.sub(blue).div_(divisor);
  const fromGreen = blue.sub(red).div_(divisor).add_(2);
  const fromBlue = red.sub(green).div_(divisor).add_(4);
  const sixths = torch.where(red.eq(value), fromRed, torch.where(green.eq(value), fromGreen, fromBlue));
  return sixths.div_(6);
}
