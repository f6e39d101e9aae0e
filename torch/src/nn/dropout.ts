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

/** Dropout of whole channels. */
abstract class ChannelDropout extends Module {
  readonly generator: Generator | null;

  constructor(
    readonly p = 0.5,
    { generator = null }: DropoutOptions = {},
  ) {
    super();
    checkProbability(p, new.target.name);
    this.generator = generator;
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x;
    if (!this.generator) return featureDropout(x, this.p, true);
    return dropoutFrom(this.generator, x, this.p, onePerChannel(x, this.constructor.name));
  }
}

/** Sets whole channels of [B, C, L] to zero with probability p in training, and scales the others by 1 / (1 - p). */
export class Dropout1d extends ChannelDropout {}

/** Sets whole channels of [B, C, H, W] to zero with probability p in training, and scales the others by 1 / (1 - p). */
export class Dropout2d extends ChannelDropout {}

/** Sets whole channels of [B, C, D, H, W] to zero with probability p in training, and scales the others by 1 / (1 - p). */
export class Dropout3d extends ChannelDropout {}

/**
 * Dropout that keeps mean 0 and variance 1, for networks of SELU (Klambauer et al. 2017, section 3): with probability p
 * an element becomes SELU's lower limit, and all are scaled and shifted.
 */
export class AlphaDropout extends Module {
  readonly generator: Generator | null;

  constructor(
    readonly p = 0.5,
    { generator = null }: DropoutOptions = {},
  ) {
    super();
    checkProbability(p, "AlphaDropout");
    this.generator = generator;
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? alphaDropoutFrom(this.generator, x, this.p, x.emptyLike()) : x;
  }
}

/** AlphaDropout of whole channels of [B, C, ...]. */
export class FeatureAlphaDropout extends Module {
  readonly generator: Generator | null;

  constructor(
    readonly p = 0.5,
    { generator = null }: DropoutOptions = {},
  ) {
    super();
    checkProbability(p, "FeatureAlphaDropout");
    this.generator = generator;
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x;
    return alphaDropoutFrom(this.generator, x, this.p, onePerChannel(x, "FeatureAlphaDropout"));
  }
}

/** Room for one number a channel, that broadcasts to x's shape. */
function onePerChannel(x: Tensor, layer: string): Tensor {
  const [batch, channels, ...rest] = x.shape;
  if (batch === undefined || channels === undefined)
    throw new TorchError(`${layer}: the input has the shape [${x.shape}]. Pass [B, C, ...].`);
  return x.newEmpty([batch, channels, ...rest.map(() => 1)]);
}

/** -SELU's lower limit: its scale times its alpha. */
const ALPHA = 1.7580993408473766;

/** a (x m - ALPHA (1 - m) + ALPHA p), with m 1 with probability 1 - p and a = 1 / sqrt((ALPHA^2 p + 1) (1 - p)). */
function alphaDropoutFrom(generator: Generator | null, x: Tensor, p: number, noise: Tensor): Tensor {
  if (p === 1) return x.mul(noise.zero_());
  const a = 1 / Math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p));
  noise.bernoulli_({ p: 1 - p, generator });
  const shift = noise
    .sub(1)
    .mul_(ALPHA * a)
    .add_(ALPHA * a * p);
  return x.mul(noise.mul_(a)).add(shift);
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
