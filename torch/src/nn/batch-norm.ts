import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { batchNorm, ones, TorchError, zeros } from "../tensor/index.ts";
import { Module } from "./module.ts";
import { buffer, parameter } from "./parameter.ts";
import { checkSizes } from "./sizes.ts";

export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Share of the new batch in the running statistics; null for the plain mean over all batches. Default 0.1. */
  momentum?: number | null;
  /** Whether scale and shift are learned. Default true. */
  affine?: boolean;
  /** Whether running statistics are kept, to be used in evaluation. Default true. */
  trackRunningStats?: boolean;
}

/** Normalises a batch and updates the running statistics: the arguments of libtorch's operator of this name. */
export type BatchNormKernel = typeof batchNorm;

/**
 * Batch normalisation (Ioffe and Szegedy 2015): y = (x - mean) / sqrt(var + eps) * weight + bias for each channel, with
 * the batch's statistics in training and the running ones in evaluation.
 */
export abstract class BatchNorm extends Module {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly runningMean: Tensor | null;
  readonly runningVar: Tensor | null;
  readonly numBatchesTracked: Tensor | null;
  readonly eps: number;
  readonly momentum: number | null;
  protected abstract readonly dimensions: readonly number[];
  /** @internal What normalises; `distributed.syncBatchNorm` puts statistics over all processes in its place. */
  kernel: BatchNormKernel = batchNorm;

  constructor(
    readonly numFeatures: number,
    { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true }: BatchNormOptions = {},
  ) {
    super();
    checkSizes(new.target.name, { numFeatures });
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? parameter(ones([numFeatures])) : null;
    this.bias = affine ? parameter(zeros([numFeatures])) : null;
    this.runningMean = trackRunningStats ? buffer(zeros([numFeatures])) : null;
    this.runningVar = trackRunningStats ? buffer(ones([numFeatures])) : null;
    this.numBatchesTracked = trackRunningStats ? buffer(zeros([], { dtype: "int64" })) : null;
  }

  forward(x: Tensor): Tensor {
    if (!this.dimensions.includes(x.ndim)) {
      throw new TorchError(
        `${this.constructor.name} was given a tensor of shape [${x.shape}]. Pass one of ${this.dimensions.join(" or ")} dimensions.`,
      );
    }
    const { numBatchesTracked: count } = this;
    if (this.training && count) noGrad(() => count.add_(1));
    const momentum = this.momentum ?? (this.training && count ? 1 / count.item() : 0);
    const usesBatch = this.training || !this.runningMean;
    return this.kernel(
      x,
      this.weight,
      this.bias,
      this.runningMean,
      this.runningVar,
      usesBatch,
      momentum,
      this.eps,
      true,
    );
  }
}

/** Batch normalisation of vectors or sequences: [B, C] or [B, C, L]. */
export class BatchNorm1d extends BatchNorm {
  protected get dimensions(): readonly number[] {
    return [2, 3];
  }
}

/** Batch normalisation of images: [B, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
  protected get dimensions(): readonly number[] {
    return [4];
  }
}

/** Batch normalisation of volumes: [B, C, D, H, W]. */
export class BatchNorm3d extends BatchNorm {
  protected get dimensions(): readonly number[] {
    return [5];
  }
}
