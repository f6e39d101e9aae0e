import type { Tensor } from "../tensor/index.ts";
import {
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  TorchError,
} from "../tensor/index.ts";
import type { InitOptions } from "./init.ts";
import { drawnBias, drawnWeight } from "./linear.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";

/** One size for all spatial dimensions, or one for each. */
export type Size = number | readonly number[];

export interface ConvOptions extends InitOptions {
  /** Default 1. */
  stride?: Size;
  /** Zeros added at both ends. Default 0. */
  padding?: Size;
  /** Distance between the kernel's elements. Default 1. */
  dilation?: Size;
  /** Channels are connected within their group only. Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
}

/** What the convolutions have in common: weight, bias and geometry. */
abstract class Convolution extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly kernelSize: readonly number[];
  protected readonly geometry: { stride: number[]; padding: number[]; dilation: number[]; groups: number };

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Size,
    dimensions: number,
    { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true, generator = null }: ConvOptions,
    transposed = false,
  ) {
    super();
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new TorchError(
        `${new.target.name}: ${inChannels} input and ${outChannels} output channels do not divide into ${groups} groups. ` +
          "Choose a number of groups that divides both.",
      );
    }
    this.kernelSize = perDimension(kernelSize, dimensions);
    const channels = transposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
    this.weight = parameter(drawnWeight([...channels, ...this.kernelSize], generator));
    this.bias = bias ? parameter(drawnBias(this.weight, outChannels, generator)) : null;
    this.geometry = {
      stride: perDimension(stride, dimensions),
      padding: perDimension(padding, dimensions),
      dilation: perDimension(dilation, dimensions),
      groups,
    };
  }
}

/** Convolution over a sequence: [B, in, L] -> [B, out, L']. Weight [out, in / groups, kernel]. */
export class Conv1d extends Convolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvOptions = {}) {
    super(inChannels, outChannels, kernelSize, 1, options);
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, { bias: this.bias, ...this.geometry });
  }
}

/**
 * Convolution over images: [B, in, H, W] -> [B, out, H', W'] with H' = floor((H + 2 padding - dilation (kernel - 1)
 * - 1) / stride) + 1. Weight [out, in / groups, ...kernel], drawn uniformly from ±1 / sqrt(fan in), as in PyTorch.
 *
 * @example new nn.Conv2d(3, 64, 3, { padding: 1 })
 */
export class Conv2d extends Convolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvOptions = {}) {
    super(inChannels, outChannels, kernelSize, 2, options);
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { bias: this.bias, ...this.geometry });
  }
}

/** Convolution over volumes: [B, in, D, H, W] -> [B, out, D', H', W']. Weight [out, in / groups, ...kernel]. */
export class Conv3d extends Convolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvOptions = {}) {
    super(inChannels, outChannels, kernelSize, 3, options);
  }

  forward(x: Tensor): Tensor {
    return conv3d(x, this.weight, { bias: this.bias, ...this.geometry });
  }
}

export interface ConvTransposeOptions extends ConvOptions {
  /** Added to one end of the output, to choose among the sizes that a stride allows. Default 0. */
  outputPadding?: Size;
}

/** What the transposed convolutions have in common. Weight [in, out / groups, ...kernel]. */
abstract class TransposedConvolution extends Convolution {
  readonly #outputPadding: number[];

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Size,
    dimensions: number,
    options: ConvTransposeOptions,
  ) {
    super(inChannels, outChannels, kernelSize, dimensions, options, true);
    this.#outputPadding = perDimension(options.outputPadding ?? 0, dimensions);
  }

  protected settings() {
    return { bias: this.bias, ...this.geometry, outputPadding: this.#outputPadding };
  }
}

/** Transposed convolution over a sequence, the gradient of Conv1d: [B, in, L] -> [B, out, L']; see ConvTranspose2d. */
export class ConvTranspose1d extends TransposedConvolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvTransposeOptions = {}) {
    super(inChannels, outChannels, kernelSize, 1, options);
  }

  forward(x: Tensor): Tensor {
    return convTranspose1d(x, this.weight, this.settings());
  }
}

/**
 * Transposed convolution over images, the gradient of Conv2d with respect to its input: [B, in, H, W] ->
 * [B, out, H', W'] with H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1.
 * Weight [in, out / groups, ...kernel].
 */
export class ConvTranspose2d extends TransposedConvolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvTransposeOptions = {}) {
    super(inChannels, outChannels, kernelSize, 2, options);
  }

  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, this.settings());
  }
}

/** Transposed convolution over volumes, the gradient of Conv3d: [B, in, D, H, W] -> [B, out, D', H', W']. */
export class ConvTranspose3d extends TransposedConvolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvTransposeOptions = {}) {
    super(inChannels, outChannels, kernelSize, 3, options);
  }

  forward(x: Tensor): Tensor {
    return convTranspose3d(x, this.weight, this.settings());
  }
}

function perDimension(size: Size, dimensions: number): number[] {
  if (typeof size !== "number" && !Array.isArray(size)) {
    throw new TorchError(
      `A ${dimensions}-d convolution was given ${String(size)} for a size. Pass a number, or ${dimensions}; the arguments are (inChannels, outChannels, kernelSize, options).`,
    );
  }
  const sizes = typeof size === "number" ? new Array<number>(dimensions).fill(size) : [...size];
  if (sizes.length === dimensions) return sizes;
  throw new TorchError(
    `A ${dimensions}-d convolution was given [${sizes}]. Pass one number, or ${dimensions}.`,
  );
}
