import {
  batchNorm as batchNormOperator,
  embedding as embeddingOperator,
  instanceNorm as instanceNormOperator,
  linalgVectorNorm,
  type Tensor,
} from "../../tensor/index.ts";
import { LocalResponseNorm } from "../norm.ts";

/** x / max(|x|_p, eps) along one dimension. @param options.p default 2 @param options.dim default 1 @param options.eps default 1e-12 */
export function normalize(
  x: Tensor,
  { p = 2, dim = 1, eps = 1e-12 }: { p?: number; dim?: number; eps?: number } = {},
): Tensor {
  return x.div(linalgVectorNorm(x, { ord: p, dim: [dim], keepdim: true }).clampMin(eps));
}

interface ScaleAndShift {
  /** [C]; default 1. */
  weight?: Tensor | null;
  /** [C]; default 0. */
  bias?: Tensor | null;
  /** The part of the new statistics in the running ones. Default 0.1. */
  momentum?: number;
  /** Default 1e-5. */
  eps?: number;
}

/**
 * Normalizes channels by the statistics of the batch, which the running ones then follow, or by the running ones.
 * @param runningMean [C], changed in place in training; null for none
 * @param options.training whether to take the batch's statistics; default false
 */
export function batchNorm(
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  {
    weight = null,
    bias = null,
    training = false,
    momentum = 0.1,
    eps = 1e-5,
  }: ScaleAndShift & { training?: boolean } = {},
): Tensor {
  return batchNormOperator(x, weight, bias, runningMean, runningVar, training, momentum, eps, true);
}

/**
 * Normalizes each channel of each sample.
 * @param options.useInputStats false for the running statistics; default true
 */
export function instanceNorm(
  x: Tensor,
  {
    runningMean = null,
    runningVar = null,
    weight = null,
    bias = null,
    useInputStats = true,
    momentum = 0.1,
    eps = 1e-5,
  }: ScaleAndShift & {
    runningMean?: Tensor | null;
    runningVar?: Tensor | null;
    useInputStats?: boolean;
  } = {},
): Tensor {
  return instanceNormOperator(x, weight, bias, runningMean, runningVar, useInputStats, momentum, eps, true);
}

/** nn.LocalResponseNorm as a function: x / (k + alpha / size Σ x²)^beta over `size` neighbouring channels. */
export const localResponseNorm = (
  x: Tensor,
  size: number,
  options: ConstructorParameters<typeof LocalResponseNorm>[1] = {},
): Tensor => new LocalResponseNorm(size, options).forward(x);

/**
 * The rows of a weight [N, D] by number: int64 [...] -> [..., D].
 * @param options.paddingIdx a row that gets no gradient; default none
 */
export function embedding(
  ids: Tensor,
  weight: Tensor,
  { paddingIdx = null }: { paddingIdx?: number | null } = {},
): Tensor {
  return embeddingOperator(weight, ids, { paddingIdx: paddingIdx ?? -1 });
}
