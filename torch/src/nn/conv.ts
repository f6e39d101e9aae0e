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
import { checkSizes } from "./sizes.ts";

/** One size for all spatial dimensions, or one for each. */
export type Size = number | readonly number[];

/** What lies beyond the border of a convolution's input. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

export interface ConvOptions extends InitOptions {
  /** Default 1. */
  stride?: Size;
  /**
   * Elements added at both ends; "same" for an output of the input's size, where the stride is 1, and "valid" for none.
   * Default 0.
   */
  padding?: Size | "same" | "valid";
  /**
   * What is added: zeros, the input mirrored at its border, its outermost elements, or those of the other end.
   * Default "zeros".
   */
  paddingMode?: PaddingMode;
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
  /** Numbers for each spatial dimension, as the operator takes them. */
  readonly geometry: {
    readonly stride: number[];
    readonly padding: number[];
    readonly dilation: number[];
    readonly groups: number;
  };
  /** What is added before the convolution, from the last dimension to the front; null where it adds zeros itself. */
  protected readonly border: { readonly pads: readonly number[]; readonly paddingMode: PaddingMode } | null;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Size,
    dimensions: number,
    {
      stride = 1,
      padding = 0,
      paddingMode = "zeros",
      dilation = 1,
      groups = 1,
      bias = true,
      generator = null,
    }: ConvOptions,
    transposed = false,
  ) {
    super();
    checkSizes(new.target.name, { inChannels, outChannels });
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
    const strides = perDimension(stride, dimensions);
    const dilations = perDimension(dilation, dimensions);
    const ends =
      padding === "same"
        ? samePadding(new.target.name, this.kernelSize, strides, dilations)
        : perDimension(padding === "valid" ? 0 : padding, dimensions).map((size) => [size, size] as const);
    const isWithin = paddingMode === "zeros" && ends.every(([before, after]) => before === after);
    this.border = isWithin ? null : { pads: ends.toReversed().flat(), paddingMode };
    this.geometry = {
      stride: strides,
      padding: ends.map(([before]) => (isWithin ? before : 0)),
      dilation: dilations,
      groups,
    };
  }

  /** The input with its border, where the convolution does not add it. */
  protected bordered(x: Tensor): Tensor {
    if (!this.border) return x;
    const { pads, paddingMode } = this.border;
    return x.pad(pads, { mode: paddingMode === "zeros" ? "constant" : paddingMode });
  }
}

/** As much at both ends as keeps the size, dilation (kernel - 1) in all; one more behind where that is odd. */
function samePadding(
  name: string,
  kernelSize: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): (readonly [before: number, after: number])[] {
  if (strides.some((stride) => stride !== 1))
    throw new TorchError(
      `${name}: padding "same" and a stride of [${strides.join(", ")}] exclude each other. Give the padding in numbers.`,
    );
  return kernelSize.map((kernel, i) => {
    const total = dilations[i]! * (kernel - 1);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  });
}

/** Convolution over a sequence: [B, in, L] -> [B, out, L']. Weight [out, in / groups, kernel]. */
export class Conv1d extends Convolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvOptions = {}) {
    super(inChannels, outChannels, kernelSize, 1, options);
  }

  forward(x: Tensor): Tensor {
    return conv1d(this.bordered(x), this.weight, { bias: this.bias, ...this.geometry });
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
    return conv2d(this.bordered(x), this.weight, { bias: this.bias, ...this.geometry });
  }
}

/** Convolution over volumes: [B, in, D, H, W] -> [B, out, D', H', W']. Weight [out, in / groups, ...kernel]. */
export class Conv3d extends Convolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvOptions = {}) {
    super(inChannels, outChannels, kernelSize, 3, options);
  }

  forward(x: Tensor): Tensor {
    return conv3d(this.bordered(x), this.weight, { bias: this.bias, ...this.geometry });
  }
}

export interface ConvTransposeOptions extends Omit<ConvOptions, "padding" | "paddingMode"> {
  /** By how much both ends of the output are cut off. Default 0. */
  padding?: Size;
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
    if (this.border)
      throw new TorchError(
        `${new.target.name}: a transposed convolution pads with zeros alone. Pad its output, or leave out paddingMode.`,
      );
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
