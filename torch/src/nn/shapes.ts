import type { Tensor } from "../tensor/index.ts";
import type { Size } from "./conv.ts";
import { Module } from "./module.ts";

/** x itself, where a layer is left out. */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Makes one dimension of several: [B, C, H, W] -> [B, C * H * W] by default. */
export class Flatten extends Module {
  constructor(
    readonly startDim = 1,
    readonly endDim = -1,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.flatten({ startDim: this.startDim, endDim: this.endDim });
  }
}

/** Makes several dimensions of one. */
export class Unflatten extends Module {
  /** @param sizes of the new dimensions; one of them may be -1 */
  constructor(
    readonly dim: number,
    readonly sizes: readonly number[],
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.unflatten(this.dim, this.sizes);
  }
}

/** Rearranges [B, C r^2, H, W] -> [B, C, H r, W r] (Shi et al. 2016). */
export class PixelShuffle extends Module {
  constructor(readonly upscaleFactor: number) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.pixelShuffle(this.upscaleFactor);
  }
}

/** The reverse of PixelShuffle: [B, C, H r, W r] -> [B, C r^2, H, W]. */
export class PixelUnshuffle extends Module {
  constructor(readonly downscaleFactor: number) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.pixelUnshuffle(this.downscaleFactor);
  }
}

/** Mixes the channels of [B, C, ...] between groups (Zhang et al. 2018): channel g n + i goes to i groups + g. */
export class ChannelShuffle extends Module {
  constructor(readonly groups: number) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.channelShuffle(this.groups);
  }
}

export interface UnfoldOptions {
  /** Distance between a block's elements. Default 1. */
  dilation?: Size;
  /** Zeros added at both ends. Default 0. */
  padding?: Size;
  /** Distance between blocks. Default 1. */
  stride?: Size;
}

/** The sliding blocks of an image as columns: [B, C, H, W] -> [B, C * kernel's elements, L] for L blocks. */
export class Unfold extends Module {
  readonly #geometry: Required<UnfoldOptions>;

  constructor(
    readonly kernelSize: Size,
    options: UnfoldOptions = {},
  ) {
    super();
    this.#geometry = { dilation: 1, padding: 0, stride: 1, ...options };
  }

  forward(x: Tensor): Tensor {
    const { dilation, padding, stride } = this.#geometry;
    return x.im2col(pair(this.kernelSize), pair(dilation), pair(padding), pair(stride));
  }
}

/** Sums blocks into an image, where they overlap: [B, C * kernel's elements, L] -> [B, C, ...outputSize]. */
export class Fold extends Module {
  readonly #geometry: Required<UnfoldOptions>;

  /** @param outputSize [height, width] of the image */
  constructor(
    readonly outputSize: Size,
    readonly kernelSize: Size,
    options: UnfoldOptions = {},
  ) {
    super();
    this.#geometry = { dilation: 1, padding: 0, stride: 1, ...options };
  }

  forward(x: Tensor): Tensor {
    const { dilation, padding, stride } = this.#geometry;
    return x.col2im(
      pair(this.outputSize),
      pair(this.kernelSize),
      pair(dilation),
      pair(padding),
      pair(stride),
    );
  }
}

/** These operators take no single number. */
function pair(size: Size): readonly number[] {
  return typeof size === "number" ? [size, size] : size;
}
