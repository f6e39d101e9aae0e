import * as torch from "@penumbra/torch";
import { deriveSeed, Random, scope, type Tensor } from "@penumbra/torch";
import { boxMask } from "./cutout.ts";
import { ImageError } from "./errors.ts";
import type { Box } from "./geometry.ts";

export interface MixOptions {
  /** The image of the batch that each is mixed with, as its index, [B]. */
  readonly partners: readonly number[];
  /** One an image, e.g. `deriveSeed(seed, step, place)`. */
  readonly seeds: readonly number[];
  /** Both parameters of the beta distribution of the share, above 0. Default 1: uniform, as in both papers' CIFAR settings. */
  readonly alpha?: number;
}

/** Images with the distributions over classes that they show. */
export interface Mixed {
  /** [B, C, H, W]. */
  readonly images: Tensor;
  /** [B, classes], rows of sum 1 where those that came in were. */
  readonly targets: Tensor;
}

/**
 * MixUp (Zhang et al. 2018, eq. 1): image i becomes l x_i + (1 - l) x_j and its label l y_i + (1 - l) y_j, where j is
 * its partner and l ~ Beta(alpha, alpha) comes from its own seed.
 *
 * @param images [B, C, H, W], floating point
 * @param targets label distributions, [B, classes]
 * @throws ImageError when the counts differ, a partner is no image, or alpha is not above 0
 * @example
 * const { images, targets } = mixUp(views, oneHot, { partners, seeds });
 */
export function mixUp(images: Tensor, targets: Tensor, options: MixOptions): Mixed {
  const shares = sharesOf(images, targets, options);
  return scope(() => {
    const partners = indexOf(options.partners, images);
    const own = columnOf(shares, images).view([-1, 1, 1, 1]);
    return {
      images: images.mul(own).add(images.indexSelect(0, partners).mul(own.neg().add(1))),
      targets: blendTargets(targets, partners, shares),
    };
  });
}

/**
 * CutMix (Yun et al. 2019, algorithm 1): a box of partner j lies on image i. The box has the image's proportions, the
 * area 1 - l of l ~ Beta(alpha, alpha), and its centre anywhere; labels are mixed by the area that is really covered.
 *
 * @param images [B, C, H, W], floating point
 * @param targets label distributions, [B, classes]
 * @throws ImageError when the counts differ, a partner is no image, or alpha is not above 0
 */
export function cutMix(images: Tensor, targets: Tensor, options: MixOptions): Mixed {
  const [height = 0, width = 0] = images.shape.slice(2);
  const boxes = sharesOf(images, targets, options).map((share, i) =>
    drawBox(deriveSeed(options.seeds[i]!, "cutmix box"), share, height, width),
  );
  const shares = boxes.map((box) => 1 - (box.height * box.width) / (height * width));
  return scope(() => {
    const partners = indexOf(options.partners, images);
    const isCovered = boxMask(boxes, [height, width], images.device);
    return {
      images: torch.where(isCovered, images.indexSelect(0, partners), images),
      targets: blendTargets(targets, partners, shares),
    };
  });
}

/** The share l of each image that stays its own. */
function sharesOf(images: Tensor, targets: Tensor, { partners, seeds, alpha = 1 }: MixOptions): number[] {
  const [count = 0] = images.shape;
  const isEven = [targets.shape[0], partners.length, seeds.length].every((length) => length === count);
  const stranger = partners.find((partner) => !Number.isInteger(partner) || partner < 0 || partner >= count);
  if (images.ndim !== 4 || targets.ndim !== 2 || !isEven) {
    throw new ImageError(
      `Cannot mix images [${images.shape}] with targets [${targets.shape}], ${partners.length} partners and ${seeds.length} seeds. Give [B, C, height, width], [B, classes], and one partner and seed an image.`,
    );
  }
  if (stranger !== undefined) {
    throw new ImageError(`The partner ${stranger} is none of ${count} images. Give indices into the batch.`);
  }
  if (!(alpha > 0)) throw new ImageError(`Images are mixed with alpha ${alpha}. Give a number above 0.`);
  return seeds.map((seed) => beta(new Random(deriveSeed(seed, "mix")), alpha));
}

/** Beta(a, a) as X / (X + Y) of two Gamma(a). */
function beta(random: Random, alpha: number): number {
  const x = gamma(random, alpha);
  const y = gamma(random, alpha);
  // Both underflow to 0 where alpha is tiny: all of one or all of the other then.
  return x + y > 0 ? x / (x + y) : Math.round(random.uniform());
}

/** Gamma(a, 1) by Marsaglia and Tsang 2000; below 1 as Gamma(a + 1) u^(1/a). */
function gamma(random: Random, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * (1 - random.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const normal = random.normal();
    const v = (1 + normal / Math.sqrt(9 * d)) ** 3;
    const u = 1 - random.uniform(); // (0, 1]
    if (v > 0 && Math.log(u) < normal ** 2 / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** A box of the area 1 - share in whole pixels, cut off at the image's border. */
function drawBox(seed: number, share: number, height: number, width: number): Box {
  const random = new Random(seed);
  const side = Math.sqrt(1 - share);
  const span = (length: number) => {
    const half = Math.floor(Math.floor(length * side) / 2);
    const centre = random.int(length);
    const from = Math.max(0, centre - half);
    return { from, length: Math.min(length, centre + half) - from };
  };
  const across = span(width);
  const down = span(height);
  return { left: across.from, width: across.length, top: down.from, height: down.length };
}

/** l y_i + (1 - l) y_j. */
function blendTargets(targets: Tensor, partners: Tensor, shares: readonly number[]): Tensor {
  const own = columnOf(shares, targets).view([-1, 1]);
  const others = targets.indexSelect(0, partners.to(targets.device));
  return targets.mul(own).add(others.mul(own.neg().add(1)));
}

function indexOf(partners: readonly number[], { device }: Tensor): Tensor {
  return torch.fromTyped(BigInt64Array.from(partners, BigInt), [partners.length]).to(device);
}

function columnOf(values: readonly number[], { device, dtype }: Tensor): Tensor {
  return torch.fromTyped(Float64Array.from(values), [values.length]).to({ device, dtype });
}
