import { Random, scope, type Tensor, tensor } from "@penumbra/torch";
import { QualityError } from "./errors.ts";
import { checkedPair } from "./features.ts";

export interface KidOptions {
  /** Draws of `subsetSize` images of each set, without replacement; default one with all images. */
  readonly subsets?: number;
  /** Default 1,000, or the smaller set where it has fewer. Counts only where `subsets` are drawn. */
  readonly subsetSize?: number;
  /** Seed of the draws. Default 0. */
  readonly seed?: number;
}

export interface Kid {
  readonly kid: number;
  /** Standard deviation over the subsets; null where none were drawn. */
  readonly deviation: number | null;
}

/**
 * Kernel distance (Binkowski et al. 2018): the unbiased squared maximum mean discrepancy with the kernel (x . y / D +
 * 1)^3. Unlike FID it does not depend on the number of images; it may fall below 0.
 *
 * @param real float [N, D] @param fake float [M, D], both with 2 rows or more
 * @throws QualityError for shapes that do not fit, too few images, impossible subsets, or features that are no numbers
 */
export function kid(real: Tensor, fake: Tensor, options: KidOptions = {}): Kid {
  const { subsets, seed = 0 } = options;
  return scope(() => {
    const [a, b] = checkedPair(real, fake, 2);
    if (subsets === undefined) return { kid: discrepancy(a, b), deviation: null };
    const smaller = Math.min(a.shape[0] as number, b.shape[0] as number);
    const { subsetSize = Math.min(1000, smaller) } = options;
    if (!(Number.isInteger(subsets) && subsets >= 1 && subsetSize >= 2 && subsetSize <= smaller)) {
      throw new QualityError(
        `${subsets} subsets of ${subsetSize} images cannot be drawn from ${smaller}. Take at least one subset, of 2 to ${smaller} images.`,
      );
    }
    const random = new Random(seed);
    const values = Array.from({ length: subsets }, () =>
      scope(() => discrepancy(drawn(a, subsetSize, random), drawn(b, subsetSize, random))),
    );
    const mean = values.reduce((sum, value) => sum + value, 0) / subsets;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / subsets;
    return { kid: mean, deviation: Math.sqrt(variance) };
  });
}

function drawn(features: Tensor, size: number, random: Random): Tensor {
  const rows = random.shuffle([...Array(features.shape[0] as number).keys()]).slice(0, size);
  return features.indexSelect(0, tensor(rows, { dtype: "int64" }));
}

function discrepancy(a: Tensor, b: Tensor): number {
  const [n, m] = [a.shape[0] as number, b.shape[0] as number];
  const within = (x: Tensor, count: number) => {
    const kernel = polynomial(x, x);
    return kernel.sum().sub(kernel.trace()).item() / (count * (count - 1));
  };
  return within(a, n) + within(b, m) - (2 * polynomial(a, b).sum().item()) / (n * m);
}

function polynomial(x: Tensor, y: Tensor): Tensor {
  return x
    .matmul(y.T)
    .div(x.shape[1] as number)
    .add(1)
    .pow(3);
}
