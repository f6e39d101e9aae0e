import type { Tensor } from "../tensor/index.ts";
import { cosineSimilarity, pairwiseDistance } from "../tensor/index.ts";
import { Module } from "./module.ts";

/** x · y / max(|x| |y|, eps) along one dimension, which goes. */
export class CosineSimilarity extends Module<[first: Tensor, second: Tensor]> {
  readonly dim: number;
  readonly eps: number;

  /** @param options.dim default 1 @param options.eps default 1e-8 */
  constructor({ dim = 1, eps = 1e-8 }: { dim?: number; eps?: number } = {}) {
    super();
    this.dim = dim;
    this.eps = eps;
  }

  forward(first: Tensor, second: Tensor): Tensor {
    return cosineSimilarity(first, second, { dim: this.dim, eps: this.eps });
  }
}

export interface PairwiseDistanceOptions {
  /** Order of the norm. Default 2. */
  p?: number;
  /** Added to each difference. Default 1e-6. */
  eps?: number;
  /** Whether the last dimension stays, with size 1. Default false. */
  keepdim?: boolean;
}

/** |x - y + eps|_p along the last dimension: [B, D] and [B, D] -> [B]. */
export class PairwiseDistance extends Module<[first: Tensor, second: Tensor]> {
  readonly #options: PairwiseDistanceOptions;

  constructor(options: PairwiseDistanceOptions = {}) {
    super();
    this.#options = options;
  }

  forward(first: Tensor, second: Tensor): Tensor {
    return pairwiseDistance(first, second, { ...this.#options });
  }
}
