import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

/** The features of an image that are its largest, and how much they are of all. */
export interface LargestActivations {
  /** h where it is kept, 0 elsewhere: [N, D]. */
  readonly kept: Tensor;
  /** 1 where it is kept, 0 elsewhere: [N, D]. */
  readonly isKept: Tensor;
  /** How many are kept of each image, k. */
  readonly count: number;
  /** Sum of an image's features, s1: [N, 1]. */
  readonly sum: Tensor;
  /** Sum of the kept ones, s2: [N, 1]. */
  readonly keptSum: Tensor;
}

/** Keeps k = D - round(D p / 100) of each image's features, the largest. At least one is kept. */
export function largestActivations(features: Tensor, percentile: number): LargestActivations {
  const dimensions = features.shape[1] as number;
  const count = Math.max(1, dimensions - Math.round((dimensions * percentile) / 100));
  const [values, places] = features.topk(count, { dim: 1 }); // [N, k]
  return {
    kept: torch.zerosLike(features).scatter(1, places, values),
    isKept: torch.zerosLike(features).scatter(1, places, 1),
    count,
    sum: features.sum([1], { keepdim: true }),
    keptSum: values.sum([1], { keepdim: true }),
  };
}

/** exp(s1 / s2), [N, 1]; 1 for an image without any activation. */
export function activationScale({ sum, keptSum }: LargestActivations): Tensor {
  const isDead = keptSum.eq(0);
  return sum.div(keptSum.maskedFill(isDead, 1)).maskedFill(isDead, 0).exp();
}
