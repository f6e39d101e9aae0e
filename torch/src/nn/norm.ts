import type { Tensor } from "../tensor/index.ts";
import { groupNorm, layerNorm, ones, TorchError, zeros } from "../tensor/index.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";

export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether scale and shift of each channel are learned. Default true. */
  affine?: boolean;
}

/**
 * Group normalisation (Wu and He 2018) of [B, C, ...]: mean and variance over each of `groups` groups of channels.
 */
export class GroupNorm extends Module {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly eps: number;

  constructor(
    readonly groups: number,
    readonly channels: number,
    { eps = 1e-5, affine = true }: GroupNormOptions = {},
  ) {
    super();
    if (channels % groups !== 0) {
      throw new TorchError(
        `GroupNorm: ${channels} channels do not divide into ${groups} groups. Choose a divisor.`,
      );
    }
    this.eps = eps;
    this.weight = affine ? parameter(ones([channels])) : null;
    this.bias = affine ? parameter(zeros([channels])) : null;
  }

  forward(x: Tensor): Tensor {
    return groupNorm(x, this.groups, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
}

export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether scale and shift of each element are learned. Default true. */
  affine?: boolean;
  /** Whether there is a shift where there is a scale. Default true. */
  bias?: boolean;
}

/** Layer normalisation (Ba et al. 2016) over the last dimensions, which have the given shape. */
export class LayerNorm extends Module {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly shape: readonly number[];
  readonly eps: number;

  /** @param shape the size of the last dimension, or the sizes of the last ones */
  constructor(
    shape: number | readonly number[],
    { eps = 1e-5, affine = true, bias = true }: LayerNormOptions = {},
  ) {
    super();
    this.shape = typeof shape === "number" ? [shape] : [...shape];
    this.eps = eps;
    this.weight = affine ? parameter(ones(this.shape)) : null;
    this.bias = affine && bias ? parameter(zeros(this.shape)) : null;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.shape, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
}
