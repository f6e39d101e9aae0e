import * as torch from "@penumbra/torch";
import { deriveSeed, Random, scope, type Tensor } from "@penumbra/torch";
import { adjustBrightness, adjustContrast, adjustSaturation, type Factor } from "./colour.ts";
import { ImageError } from "./errors.ts";
import { type AffineMotion, affine, inverseAffine } from "./geometry.ts";
import { adjustSharpness, autoContrast, equalize, posterize, solarize } from "./tone.ts";

/** One of RandAugment's operations: [B, 3, H, W] in 0..1 to the same, at `magnitude` 0..1, to the side of each image's sign. */
type Operation = (images: Tensor, magnitude: number, signs: readonly number[]) => Tensor;

/** Moves every image by its own amount, -magnitude or magnitude; what comes from outside is the mirrored image. */
const moving = (
  motionOf: (amount: number, height: number, width: number) => Partial<AffineMotion>,
): Operation => {
  return (images, magnitude, signs) => {
    const [height = 0, width = 0] = images.shape.slice(2);
    const matrices = signs.map((sign) =>
      inverseAffine({ height, width, ...motionOf(sign * magnitude, height, width) }),
    );
    return affine(images, matrices, "reflection");
  };
};

/** Factors of 1 - 0.9 or 1 + 0.9 magnitudes. */
const adjusting = (adjust: (images: Tensor, factor: Factor) => Tensor): Operation => {
  return (images, magnitude, signs) => {
    const factors = Float32Array.from(signs, (sign) => 1 + sign * 0.9 * magnitude);
    return adjust(images, torch.fromTyped(factors, [signs.length, 1, 1, 1]).to(images.device));
  };
};

const degreesOf = (slope: number) => (Math.atan(slope) * 180) / Math.PI;

/**
 * The fourteen operations of RandAugment (Cubuk et al. 2020, section 3.2) with torchvision's ranges. To add one: an entry
 * at the end.
 */
export const RAND_AUGMENT_OPERATIONS: Readonly<Record<string, Operation>> = {
  identity: (images) => images,
  shearX: moving((amount) => ({ shearX: degreesOf(0.3 * amount) })),
  shearY: moving((amount) => ({ shearY: degreesOf(0.3 * amount) })),
  translateX: moving((amount, _, width) => ({ shiftX: (150 / 331) * width * amount })),
  translateY: moving((amount, height) => ({ shiftY: (150 / 331) * height * amount })),
  rotate: moving((amount) => ({ degrees: 30 * amount })),
  brightness: adjusting(adjustBrightness),
  saturation: adjusting(adjustSaturation),
  contrast: adjusting(adjustContrast),
  sharpness: adjusting(adjustSharpness),
  posterize: (images, magnitude) => posterize(images, 8 - Math.round(4 * magnitude)),
  solarize: (images, magnitude) => solarize(images, 1 - magnitude),
  autoContrast: (images) => autoContrast(images),
  equalize: (images) => equalize(images),
};

/** The largest magnitude. */
export const RAND_AUGMENT_LEVELS = 30;

export interface RandAugmentSettings {
  /** N, operations one after another. Default 2. */
  readonly operations?: number;
  /** M, 0 … 30: how strong each is. Default 9. */
  readonly magnitude?: number;
}

/**
 * RandAugment (Cubuk et al. 2020, algorithm 1): N operations drawn evenly and with replacement, all of one magnitude M;
 * those with two sides take either. Each image draws from its own seed.
 *
 * @param images [B, 3, H, W], floating point 0..1
 * @param seeds one an image
 * @returns [B, 3, H, W] in 0..1
 * @throws ImageError for a magnitude outside 0 … 30, and where there is not one seed an image
 */
export function randAugment(
  images: Tensor,
  { operations = 2, magnitude = 9 }: RandAugmentSettings,
  seeds: readonly number[],
): Tensor {
  if (seeds.length !== images.shape[0] || !(magnitude >= 0 && magnitude <= RAND_AUGMENT_LEVELS)) {
    throw new ImageError(
      `RandAugment got images [${images.shape}], ${seeds.length} seeds and magnitude ${magnitude}. Give one seed an image and a magnitude of 0 to ${RAND_AUGMENT_LEVELS}.`,
    );
  }
  const strength = magnitude / RAND_AUGMENT_LEVELS;
  return scope(() => {
    let current = images;
    for (let round = 0; round < operations; round++) {
      const next = current.clone();
      for (const [name, { rows, signs }] of drawnIn(round, seeds)) {
        const index = torch.fromTyped(BigInt64Array.from(rows, BigInt), [rows.length]).to(images.device);
        const apply = RAND_AUGMENT_OPERATIONS[name] as Operation;
        next.indexCopy_(0, index, apply(current.indexSelect(0, index), strength, signs));
      }
      current = next;
    }
    return current;
  });
}

/** Which images undergo which operation in a round, and to which side. */
function drawnIn(round: number, seeds: readonly number[]): Map<string, { rows: number[]; signs: number[] }> {
  const names = Object.keys(RAND_AUGMENT_OPERATIONS);
  const drawn = new Map<string, { rows: number[]; signs: number[] }>();
  for (const [row, seed] of seeds.entries()) {
    const random = new Random(deriveSeed(seed, "rand-augment", round));
    const name = random.choice(names);
    const sign = random.uniform() < 0.5 ? -1 : 1;
    const group = drawn.get(name) ?? { rows: [], signs: [] };
    drawn.set(name, { rows: [...group.rows, row], signs: [...group.signs, sign] });
  }
  return drawn;
}
