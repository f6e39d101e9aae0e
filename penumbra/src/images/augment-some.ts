/** Changes that only some images of a batch undergo, each by a draw from a stream of its own seed. */
import * as torch from "@penumbra/torch";
import { deriveSeed, Random, type Tensor } from "@penumbra/torch";
import type { AugmentChanges } from "./augment-presets.ts";
import { gaussianBlur } from "./blur.ts";
import { cutout } from "./cutout.ts";
import { type Corners, perspective } from "./perspective.ts";
import { equalize, posterize, solarize } from "./tone.ts";

type Setting<Name extends keyof AugmentChanges> = NonNullable<AugmentChanges[Name]>;

const HALF = 0.5;

/** Every corner moves towards the centre by up to this part of the half side. */
export function drawInPerspective(images: Tensor, most: number, seeds: readonly number[]): Tensor {
  const [height = 0, width = 0] = images.shape.slice(2);
  const corners = seeds.map((seed): Corners => {
    const random = new Random(deriveSeed(seed, "perspective"));
    const x = () => random.uniform(0, (most * width) / 2);
    const y = () => random.uniform(0, (most * height) / 2);
    return [
      [x(), y()],
      [width - 1 - x(), y()],
      [width - 1 - x(), height - 1 - y()],
      [x(), height - 1 - y()],
    ];
  });
  return perspective(images, corners, "reflection");
}

/** Blurs the drawn ones, each by its own sigma. */
export function blurSome(
  images: Tensor,
  { probability, sigma }: Setting<"blur">,
  seeds: readonly number[],
): Tensor {
  const [height = 0, width = 0] = images.shape.slice(2);
  const side = Math.max(height, width);
  // Beyond three sigmas lie 0.3 % of the bell; the kernel of the widest serves all.
  const reach = Math.min(Math.ceil(3 * sigma[1] * side), Math.min(height, width) - 1);
  return someOf(images, "blur", probability, seeds, (drawn, randoms) => {
    const sigmas = randoms.map((random) => side * random.uniform(sigma[0], sigma[1]));
    return gaussianBlur(drawn, 2 * reach + 1, sigmas);
  });
}

/** Solarizes, posterizes and equalizes the drawn ones. */
export function toneSome(images: Tensor, changes: AugmentChanges, seeds: readonly number[]): Tensor {
  const { solarize: turned, posterize: coarse, equalize: even } = changes;
  const inside = (pixels: Tensor) => pixels.clamp({ min: 0, max: 1 });
  let pixels = images;
  if (turned) {
    const { probability, threshold = HALF } = turned;
    pixels = someOf(pixels, "solarize", probability, seeds, (drawn) => solarize(inside(drawn), threshold));
  }
  if (coarse) {
    const { probability, bits = 4 } = coarse;
    pixels = someOf(pixels, "posterize", probability, seeds, (drawn) => posterize(inside(drawn), bits));
  }
  if (even) pixels = someOf(pixels, "equalize", even, seeds, (drawn) => equalize(inside(drawn)));
  return pixels;
}

/** Covers a square of the drawn ones. */
export function coverSome(
  images: Tensor,
  { probability = 1, side }: Setting<"cutout">,
  seeds: readonly number[],
): Tensor {
  const [height = 0, width = 0] = images.shape.slice(2);
  const length = Math.round(side * Math.min(height, width));
  return someOf(images, "cutout", probability, seeds, (drawn, randoms) =>
    cutout(
      drawn,
      randoms.map((random) => ({
        top: Math.round(random.uniform(0, height) - length / 2),
        left: Math.round(random.uniform(0, width) - length / 2),
        height: length,
        width: length,
      })),
    ),
  );
}

/** Applies a change to the images that draw it; `change` gets them with the rest of their streams. */
function someOf(
  images: Tensor,
  name: string,
  probability = HALF,
  seeds: readonly number[],
  change: (drawn: Tensor, randoms: readonly Random[]) => Tensor,
): Tensor {
  const chosen = seeds.flatMap((seed, row) => {
    const random = new Random(deriveSeed(seed, name));
    return random.uniform() < probability ? [{ row, random }] : [];
  });
  if (chosen.length === 0) return images;
  const rows = BigInt64Array.from(chosen, ({ row }) => BigInt(row));
  const index = torch.fromTyped(rows, [rows.length]).to(images.device);
  const changed = change(
    images.indexSelect(0, index),
    chosen.map(({ random }) => random),
  );
  return images.indexCopy(0, index, changed);
}
