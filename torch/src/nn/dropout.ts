import type { Generator, Tensor } from "../tensor/index.ts";
import { dropout, featureDropout, TorchError } from "../tensor/index.ts";
import { Module } from "./module.ts";

export interface DropoutOptions {
  /**
   * Draws the masks; default libtorch's one for the whole process, which threads share. Its state is none of the
   * module's: give it to `checkpoints.save` as `generator`.
   */
  generator?: Generator | null;
}

/** Sets each element to zero with probability p in training, and scales the others by 1 / (1 - p). */
export class Dropout extends Module {
  readonly generator: Generator | null;

  constructor(
    readonly p = 0.5,
    { generator = null }: DropoutOptions = {},
  ) {
    super();
    checkProbability(p, "Dropout");
    this.generator = generator;
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x;
    return this.generator ? dropoutFrom(this.generator, x, this.p, x.emptyLike()) : dropout(x, this.p, true);
  }
}

/** Sets whole channels of [B, C, H, W] to zero with probability p in training, and scales the others by 1 / (1 - p). */
export class Dropout2d extends Module {
  readonly generator: Generator | null;

  constructor(
    readonly p = 0.5,
    { generator = null }: DropoutOptions = {},
  ) {
    super();
    checkProbability(p, "Dropout2d");
    this.generator = generator;
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x;
    if (!this.generator) return featureDropout(x, this.p, true);
    const [batch, channels, ...rest] = x.shape;
    if (channels === undefined) {
      throw new TorchError(`Dropout2d: the input has the shape [${x.shape}]. Pass [B, C, H, W].`);
    }
    return dropoutFrom(this.generator, x, this.p, x.newEmpty([batch!, channels, ...rest.map(() => 1)]));
  }
}

/**
 * What `dropout` does, which takes no generator: x m / (1 - p), with m from the generator, 1 with probability 1 - p. On
 * the CPU the same seed gives the masks of `dropout`.
 * @param noise receives m; any shape that broadcasts to x's
 */
export function dropoutFrom(generator: Generator, x: Tensor, p: number, noise: Tensor): Tensor {
  if (p === 1) return x.mul(noise.zero_());
  return x.mul(noise.bernoulli_({ p: 1 - p, generator }).div_(1 - p));
}

function checkProbability(p: number, layer: string): void {
  if (p >= 0 && p <= 1) return;
  throw new TorchError(`${layer}: p is ${p}, which is no probability. Choose it in 0 … 1.`);
}
