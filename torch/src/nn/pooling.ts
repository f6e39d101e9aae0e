import type { Tensor } from "../tensor/index.ts";
import type { Size } from "./conv.ts";
import { Module } from "./module.ts";

export interface PoolOptions {
  /** Default: the window's size. */
  stride?: Size;
  /** Added at both ends. Default 0. */
  padding?: Size;
  /** Whether a last window that is not full counts. Default false. */
  ceilMode?: boolean;
}

export interface MaxPoolOptions extends PoolOptions {
  /** Distance between a window's elements. Default 1. */
  dilation?: Size;
}

export interface AvgPoolOptions extends PoolOptions {
  /** Whether the zeros of the padding count in the mean. Default true. */
  countIncludePad?: boolean;
}

/** The largest element of each window: [B, C, L] -> [B, C, L']. */
export class MaxPool1d extends Module {
  constructor(
    readonly kernelSize: Size,
    readonly options: MaxPoolOptions = {},
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.maxPool1d(this.kernelSize, this.options);
  }
}

/** The largest element of each window: [B, C, H, W] -> [B, C, H', W']. */
export class MaxPool2d extends Module {
  constructor(
    readonly kernelSize: Size,
    readonly options: MaxPoolOptions = {},
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.maxPool2d(this.kernelSize, this.options);
  }
}

/** The largest element of each window: [B, C, D, H, W] -> [B, C, D', H', W']. */
export class MaxPool3d extends Module {
  constructor(
    readonly kernelSize: Size,
    readonly options: MaxPoolOptions = {},
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.maxPool3d(this.kernelSize, this.options);
  }
}

/** The mean of each window: [B, C, L] -> [B, C, L']. */
export class AvgPool1d extends Module {
  constructor(
    readonly kernelSize: Size,
    readonly options: AvgPoolOptions = {},
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.avgPool1d(this.kernelSize, this.options);
  }
}

/** The mean of each window: [B, C, H, W] -> [B, C, H', W']. */
export class AvgPool2d extends Module {
  constructor(
    readonly kernelSize: Size,
    readonly options: AvgPoolOptions = {},
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.avgPool2d(this.kernelSize, this.options);
  }
}

/** The mean of each window: [B, C, D, H, W] -> [B, C, D', H', W']. */
export class AvgPool3d extends Module {
  constructor(
    readonly kernelSize: Size,
    readonly options: AvgPoolOptions = {},
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.avgPool3d(this.kernelSize, this.options);
  }
}

/** Means over as many windows as the output has positions: [B, C, L] -> [B, C, outputSize]. */
export class AdaptiveAvgPool1d extends Module {
  constructor(readonly outputSize: number) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.adaptiveAvgPool1d(this.outputSize);
  }
}

/** Means over as many windows as the output has positions: [B, C, H, W] -> [B, C, ...outputSize]. */
export class AdaptiveAvgPool2d extends Module {
  /** @param outputSize one number for a square, or [height, width] */
  constructor(readonly outputSize: Size) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.adaptiveAvgPool2d(this.outputSize);
  }
}

/** Maxima over as many windows as the output has positions: [B, C, H, W] -> [B, C, ...outputSize]. */
export class AdaptiveMaxPool2d extends Module {
  /** @param outputSize one number for a square, or [height, width] */
  constructor(readonly outputSize: Size) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.adaptiveMaxPool2d(this.outputSize)[0];
  }
}

/** Means over as many windows as the output has positions: [B, C, D, H, W] -> [B, C, ...outputSize]. */
export class AdaptiveAvgPool3d extends Module {
  /** @param outputSize one number for a cube, or [depth, height, width] */
  constructor(readonly outputSize: Size) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.adaptiveAvgPool3d(this.outputSize);
  }
}

/** Maxima over as many windows as the output has positions: [B, C, L] -> [B, C, outputSize]. */
export class AdaptiveMaxPool1d extends Module {
  constructor(readonly outputSize: number) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.adaptiveMaxPool1d(this.outputSize)[0];
  }
}

/** Maxima over as many windows as the output has positions: [B, C, D, H, W] -> [B, C, ...outputSize]. */
export class AdaptiveMaxPool3d extends Module {
  /** @param outputSize one number for a cube, or [depth, height, width] */
  constructor(readonly outputSize: Size) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.adaptiveMaxPool3d(this.outputSize)[0];
  }
}
