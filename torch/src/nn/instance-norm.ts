import type { Tensor } from "../tensor/index.ts";
import { instanceNorm, ones, TorchError, zeros } from "../tensor/index.ts";
import { Module } from "./module.ts";
import { buffer, parameter } from "./parameter.ts";

export interface InstanceNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Share of the new batch in the running statistics. Default 0.1. */
  momentum?: number;
  /** Whether scale and shift are learned. Default false. */
  affine?: boolean;
  /** Whether running statistics are kept, to be used in evaluation. Default false. */
  trackRunningStats?: boolean;
}

/**
 * Instance normalisation (Ulyanov et al. 2016): y = (x - mean) / sqrt(var + eps) * weight + bias, with mean and variance
 * of each channel of each sample.
 */
abstract class InstanceNorm extends Module {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly runningMean: Tensor | null;
  readonly runningVar: Tensor | null;
  readonly numBatchesTracked: Tensor | null;
  readonly eps: number;
  readonly momentum: number;
  protected abstract readonly dimensions: number;

  constructor(
    readonly numFeatures: number,
    { eps = 1e-5, momentum = 0.1, affine = false, trackRunningStats = false }: InstanceNormOptions = {},
  ) {
    super();
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? parameter(ones([numFeatures])) : null;
    this.bias = affine ? parameter(zeros([numFeatures])) : null;
    this.runningMean = trackRunningStats ? buffer(zeros([numFeatures])) : null;
    this.runningVar = trackRunningStats ? buffer(ones([numFeatures])) : null;
    this.numBatchesTracked = trackRunningStats ? buffer(zeros([], { dtype: "int64" })) : null;
  }

  /** @throws TorchError for another number of dimensions or channels */
  forward(x: Tensor): Tensor {
    const isBatched = x.ndim === this.dimensions + 2;
    if ((!isBatched && x.ndim !== this.dimensions + 1) || x.shape[isBatched ? 1 : 0] !== this.numFeatures) {
      throw new TorchError(
        `${this.constructor.name} was given a tensor of shape [${x.shape}]. Pass ${this.dimensions} spatial dimensions and ${this.numFeatures} channels.`,
      );
    }
    const { weight, bias, runningMean, runningVar, momentum, eps } = this;
    const usesInput = this.training || !runningMean;
    const batched = isBatched ? x : x.unsqueeze(0);
    const y = instanceNorm(batched, weight, bias, runningMean, runningVar, usesInput, momentum, eps, true);
    return isBatched ? y : y.squeeze(0);
  }
}

/** Instance normalisation of sequences: [B, C, L] or [C, L]. */
export class InstanceNorm1d extends InstanceNorm {
  protected get dimensions(): number {
    return 1;
  }
}

/** Instance normalisation of images: [B, C, H, W] or [C, H, W]. */
export class InstanceNorm2d extends InstanceNorm {
  protected get dimensions(): number {
    return 2;
  }
}

/** Instance normalisation of volumes: [B, C, D, H, W] or [C, D, H, W]. */
export class InstanceNorm3d extends InstanceNorm {
  protected get dimensions(): number {
    return 3;
  }
}
