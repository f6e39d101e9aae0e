import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { type AugmentChanges, changesOf } from "./augment-presets.ts";
import { blurSome, coverSome, drawInPerspective, toneSome } from "./augment-some.ts";
import type { AugmentSpec } from "./augment-spec.ts";
import { adjustHue, LUMA, luma } from "./colour.ts";
import { ImageError } from "./errors.ts";
import { type AffineMatrix, affine, type Box, inverseAffine } from "./geometry.ts";
import { gaussianNoise } from "./noise.ts";
import { randAugment } from "./rand-augment.ts";

/** What one image draws from its seed. */
interface Draw {
  readonly matrix: AffineMatrix;
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  readonly hue: number;
}

/**
 * Changes each image at random: crop, flip, rotation, shear, shift and zoom as one bilinear sampling, then perspective,
 * RandAugment, brightness, contrast, saturation, hue, loss of colour, blur, solarize, posterize, equalize, noise and
 * cutout, each where the spec or its preset asks for it.
 *
 * Everything an image undergoes is derived from its own seed, so that the result does not depend on what else is
 * in the batch. Where a motion reaches beyond the image, the mirrored image is seen: black corners would be a mark
 * of augmented images that an encoder learns.
 *
 * Between brightness, contrast and saturation values are not cut to 0..1, so that the three are one linear map;
 * the result is cut once, at the end.
 *
 * @param images [B, 3, H, W]; uint8, or floating point 0..1
 * @param spec checked by `AugmentSpecSchema` where it comes from a user
 * @param seeds one per image, e.g. `deriveSeed(seed, epoch, index, view)`
 * @returns float32 [B, 3, H, W] in 0..1 on the device of `images`
 *
 * @example
 * const views = augment(photos, { crop: { scale: [0.4, 1] }, flip: 0.5, brightness: 0.3 }, seeds);
 */
export function augment(images: Tensor, spec: AugmentSpec, seeds: readonly number[]): Tensor {
  const [count = 0, channels, height = 0, width = 0] = images.shape;
  if (images.ndim !== 4 || channels !== 3 || seeds.length !== count) {
    throw new ImageError(
      `Cannot augment a tensor of shape [${images.shape}] with ${seeds.length} seeds: give images as [B, 3, height, width] and one seed per image.`,
    );
  }
  const changes = changesOf(spec);
  const draws = seeds.map((seed) => draw(seed, changes, height, width));
  return torch.noGrad(() =>
    scope(() => {
      const white = images.dtype === "uint8" ? 255 : 1;
      let pixels = images.to("float32"); // [B, 3, H, W], 0..white
      if (movesPixels(changes)) {
        pixels = affine(
          pixels,
          draws.map(({ matrix }) => matrix),
          "reflection",
        );
      }
      if (changes.perspective) pixels = drawInPerspective(pixels, changes.perspective, seeds);
      let unit = 1 / white;
      if (changes.randAugment) {
        pixels = randAugment(pixels.mul(unit).clamp_({ min: 0, max: 1 }), changes.randAugment, seeds);
        unit = 1;
      }
      pixels = changesColour(changes) ? linearColour(pixels, draws, unit) : pixels.mul(unit);
      if (changes.hue) {
        const turns = perImage(
          draws.map(({ hue }) => hue),
          pixels,
        );
        pixels = adjustHue(pixels.clamp_({ min: 0, max: 1 }), turns);
      }
      if (changes.blur) pixels = blurSome(pixels, changes.blur, seeds);
      pixels = toneSome(pixels, changes, seeds);
      if (changes.noise) pixels = pixels.add_(gaussianNoise(pixels, seeds), { alpha: changes.noise });
      pixels = pixels.clamp_({ min: 0, max: 1 });
      return changes.cutout ? coverSome(pixels, changes.cutout, seeds) : pixels;
    }),
  );
}

function movesPixels({ crop, flip, rotation, shear, shift, scale }: AugmentChanges): boolean {
  return Boolean(crop || flip || rotation || shear || shift || scale);
}

function changesColour({ brightness, contrast, saturation, grayscale }: AugmentChanges): boolean {
  return Boolean(brightness || contrast || saturation || grayscale);
}

/**
 * Brightness b, contrast c and saturation s as one linear map of a pixel x with luma Y(x) and the image's mean luma m:
 *
 *   x1 = b x,   x2 = c x1 + (1 - c) b m,   x3 = s x2 + (1 - s) Y(x2)
 *   x3 = b c s x + b c (1 - s) Y(x) + b m (1 - c) (s + (1 - s) w),   w = Y(1) = 0.9999
 */
function linearColour(pixels: Tensor, draws: readonly Draw[], unit: number): Tensor {
  const weight = LUMA.red + LUMA.green + LUMA.blue;
  const own = draws.map(({ brightness: b, contrast: c, saturation: s }) => unit * b * c * s);
  const ofLuma = draws.map(({ brightness: b, contrast: c, saturation: s }) => unit * b * c * (1 - s));
  const ofMean = draws.map(
    ({ brightness: b, contrast: c, saturation: s }) => unit * b * (1 - c) * (s + (1 - s) * weight),
  );
  const y = luma(pixels); // [B, 1, H, W]
  const constant = y.mean([1, 2, 3], { keepdim: true }).mul_(perImage(ofMean, pixels)); // [B, 1, 1, 1]
  const shared = y.mul_(perImage(ofLuma, pixels)).add_(constant); // [B, 1, H, W]
  return shared.addcmul(pixels, perImage(own, pixels)); // [B, 3, H, W]
}

/** One number an image, ready to broadcast: [B, 1, 1, 1]. */
function perImage(values: readonly number[], like: Tensor): Tensor {
  return torch.fromTyped(Float32Array.from(values), [values.length, 1, 1, 1]).to(like.device);
}

/**
 * Draws one image's changes. Every number is drawn whether it is used or not, always in the same order, so that
 * switching one change on leaves the others as they were. What came later draws from streams of its own.
 */
function draw(seed: number, spec: AugmentChanges, height: number, width: number): Draw {
  const random = new torch.Random(seed);
  const within = (limit = 0) => random.uniform(-limit, limit);
  const flip = random.uniform() < (spec.flip ?? 0);
  const degrees = within(spec.rotation);
  const shiftX = within(spec.shift) * width;
  const shiftY = within(spec.shift) * height;
  const zoom = logUniform(random, spec.scale ?? [1, 1]);
  const isJittered = random.uniform() < (spec.jitter ?? 1);
  const factor = (limit = 0) => Math.max(0, 1 + within(limit));
  const brightness = factor(spec.brightness);
  const contrast = factor(spec.contrast);
  const saturation = factor(spec.saturation);
  const hue = within(spec.hue);
  const isGray = random.uniform() < (spec.grayscale ?? 0);
  const crop = spec.crop && cropBox(random, spec.crop, height, width); // last: it takes a varying number of draws
  return {
    matrix: inverseAffine({
      height,
      width,
      degrees,
      zoom,
      shiftX,
      shiftY,
      flip,
      crop,
      ...shearOf(seed, spec),
    }),
    brightness: isJittered ? brightness : 1,
    contrast: isJittered ? contrast : 1,
    saturation: isGray ? 0 : isJittered ? saturation : 1,
    hue: isJittered && !isGray ? hue : 0,
  };
}

function shearOf(seed: number, { shear = 0 }: AugmentChanges): { shearX: number; shearY: number } {
  const random = new torch.Random(torch.deriveSeed(seed, "shear"));
  return { shearX: random.uniform(-shear, shear), shearY: random.uniform(-shear, shear) };
}

function logUniform(random: torch.Random, [low, high]: readonly [number, number]): number {
  return Math.exp(random.uniform(Math.log(low), Math.log(high)));
}

const CROP_TRIES = 10; // as torchvision's RandomResizedCrop

/**
 * A box of random area and proportions (Szegedy et al. 2015, section 6) that fits into the image; the largest
 * centred one of allowed proportions when `CROP_TRIES` draws do not fit. Not rounded to whole pixels: the sampling
 * interpolates anyway.
 */
function cropBox(
  random: torch.Random,
  crop: NonNullable<AugmentChanges["crop"]>,
  height: number,
  width: number,
): Box {
  const ratio = crop.ratio ?? [3 / 4, 4 / 3];
  for (let i = 0; i < CROP_TRIES; i++) {
    const area = height * width * random.uniform(crop.scale[0], crop.scale[1]);
    const proportion = logUniform(random, ratio);
    const box = { width: Math.sqrt(area * proportion), height: Math.sqrt(area / proportion) };
    if (box.width <= width && box.height <= height) {
      return {
        ...box,
        top: random.uniform(0, height - box.height),
        left: random.uniform(0, width - box.width),
      };
    }
  }
  const proportion = Math.min(Math.max(width / height, ratio[0]), ratio[1]);
  const box = { width: Math.min(width, height * proportion), height: Math.min(height, width / proportion) };
  return { ...box, top: (height - box.height) / 2, left: (width - box.width) / 2 };
}
