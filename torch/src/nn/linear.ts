import type { Generator, Tensor } from "../tensor/index.ts";
import { bilinear, empty, linear } from "../tensor/index.ts";
import { fans, type InitOptions, kaimingUniform_, uniform_ } from "./init.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";
import { checkSizes } from "./sizes.ts";

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
    checkSizes("Linear", { inFeatures, outFeatures });
    this.weight = parameter(drawnWeight([outFeatures, inFeatures], generator));
    this.bias = bias ? parameter(drawnBias(this.weight, outFeatures, generator)) : null;
  }

  /** @param x [..., in] -> [..., out] */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, { bias: this.bias });
  }
}

/**
 * A bilinear map of two vectors: y_k = x1^T W_k x2 + b_k.
 *
 * W [out, in1, in2] and b [out] are drawn uniformly from ±1 / sqrt(in1), as in PyTorch.
 */
export class Bilinear extends Module<[first: Tensor, second: Tensor]> {
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(
    readonly in1Features: number,
    readonly in2Features: number,
    readonly outFeatures: number,
    { bias = true, generator = null }: { bias?: boolean } & InitOptions = {},
  ) {
    super();
    checkSizes("Bilinear", { in1Features, in2Features, outFeatures });
    const bound = 1 / Math.sqrt(in1Features);
    const drawn = (shape: number[]) => parameter(uniform_(empty(shape), -bound, bound, { generator }));
    this.weight = drawn([outFeatures, in1Features, in2Features]);
    this.bias = bias ? drawn([outFeatures]) : null;
  }

  /** @param first [..., in1] @param second [..., in2] @returns [..., out] */
  forward(first: Tensor, second: Tensor): Tensor {
    return bilinear(first, second, this.weight, { bias: this.bias });
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
