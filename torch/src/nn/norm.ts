import type { Tensor } from "../tensor/index.ts";
import { groupNorm, layerNorm, ones, rmsNorm, TorchError, zeros } from "../tensor/index.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";
import { checkSizes, sizesOf } from "./sizes.ts";

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
    checkSizes("GroupNorm", { groups, channels });
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
    this.shape = sizesOf("LayerNorm", "the shape", shape);
    this.eps = eps;
    this.weight = affine ? parameter(ones(this.shape)) : null;
    this.bias = affine && bias ? parameter(zeros(this.shape)) : null;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.shape, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
}

export interface RMSNormOptions {
  /** Added to the mean square; null for the dtype's smallest step from 1. Default null. */
  eps?: number | null;
  /** Whether a scale of each element is learned. Default true. */
  affine?: boolean;
}

/** Root-mean-square normalisation (Zhang and Sennrich 2019): y = x / sqrt(mean(x^2) + eps) * weight over the last dimensions. */
export class RMSNorm extends Module {
  readonly weight: Tensor | null;
  readonly shape: readonly number[];
  readonly eps: number | null;

  /** @param shape the size of the last dimension, or the sizes of the last ones */
  constructor(shape: number | readonly number[], { eps = null, affine = true }: RMSNormOptions = {}) {
    super();
    this.shape = sizesOf("RMSNorm", "the shape", shape);
    this.eps = eps;
    this.weight = affine ? parameter(ones(this.shape)) : null;
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.shape, { weight: this.weight, eps: this.eps });
  }
}

export interface LocalResponseNormOptions {
  /** Default 1e-4. */
  alpha?: number;
  /** Default 0.75. */
  beta?: number;
  /** Default 1. */
  k?: number;
}

/**
 * Normalisation across neighbouring channels (Krizhevsky et al. 2012, section 3.3): y_c = x_c / (k + alpha m_c)^beta, with
 * m_c the mean of the squares of the `size` channels around c, those beyond the ends counting as zero.
 */
export class LocalResponseNorm extends Module {
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;

  constructor(
    readonly size: number,
    { alpha = 1e-4, beta = 0.75, k = 1 }: LocalResponseNormOptions = {},
  ) {
    super();
    this.alpha = alpha;
    this.beta = beta;
    this.k = k;
  }

  /** @param x [B, C, ...] */
  forward(x: Tensor): Tensor {
    const { size, alpha, beta, k } = this;
    const [batch, channels] = x.shape;
    if (batch === undefined || channels === undefined || x.ndim < 3)
      throw new TorchError(`LocalResponseNorm was given [${x.shape}]. Pass [B, C, L] or more dimensions.`);
    const squares = x.square().reshape([batch, 1, channels, -1]); // [B, 1, C, ...]
    const padded = squares.pad([0, 0, Math.floor(size / 2), Math.floor((size - 1) / 2)]);
    const means = padded.avgPool2d([size, 1], { stride: 1 }).reshape([...x.shape]);
    return x.div(means.mul(alpha).add(k).pow(beta));
  }
}
