import type { Generator, Tensor } from "../tensor/index.ts";
import { empty, linear } from "../tensor/index.ts";
import { fans, type InitOptions, kaimingUniform_, uniform_ } from "./init.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";

/**
 * An affine map of the last dimension: y = x W^T + b.
 *
 * W [out, in] and b [out] are drawn uniformly from ±1 / sqrt(in), as in PyTorch; from `generator` where one is given.
 */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    { bias = true, generator = null }: { bias?: boolean } & InitOptions = {},
  ) {
    super();
    this.weight = parameter(drawnWeight([outFeatures, inFeatures], generator));
    this.bias = bias ? parameter(drawnBias(this.weight, outFeatures, generator)) : null;
  }

  /** @param x [..., in] -> [..., out] */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, { bias: this.bias });
  }
}

/** A weight as PyTorch's linear and convolution layers begin with: uniform in ±1 / sqrt(fanIn). */
export function drawnWeight(shape: readonly number[], generator: Generator | null): Tensor {
  return kaimingUniform_(empty(shape), { a: Math.sqrt(5), generator });
}

/** The bias that goes with a weight: uniform in ±1 / sqrt(fanIn). */
export function drawnBias(weight: Tensor, size: number, generator: Generator | null): Tensor {
  const { fanIn } = fans(weight);
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  return uniform_(empty([size]), -bound, bound, { generator });
}
