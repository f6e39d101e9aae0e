import type { Generator, Tensor } from "../tensor/index.ts";
import { rand, TorchError } from "../tensor/index.ts";
import type { Size } from "./conv.ts";
import { Module } from "./module.ts";

export interface LPPoolOptions {
  /** Default: the window's size. */
  stride?: Size | null;
  /** Whether a last window that is not full counts. Default false. */
  ceilMode?: boolean;
}

/** (Σ x^p)^(1 / p) of each window. */
abstract class LPPool extends Module {
  readonly #stride: Size | null;
  readonly #ceilMode: boolean;

  constructor(
    readonly normType: number,
    readonly kernelSize: Size,
    { stride = null, ceilMode = false }: LPPoolOptions = {},
  ) {
    super();
    this.#stride = stride;
    this.#ceilMode = ceilMode;
  }

  protected pool(x: Tensor, dimensions: 1 | 2 | 3): Tensor {
    const { normType, kernelSize } = this;
    const window =
      typeof kernelSize === "number" ? kernelSize ** dimensions : kernelSize.reduce((a, b) => a * b, 1);
    const options = { stride: this.#stride ?? kernelSize, ceilMode: this.#ceilMode };
    const powers = x.pow(normType);
    const means =
      dimensions === 1
        ? powers.avgPool1d(kernelSize, options)
        : dimensions === 2
          ? powers.avgPool2d(kernelSize, options)
          : powers.avgPool3d(kernelSize, options);
    return means.mul(window).pow(1 / normType);
  }
}

/** (Σ x^p)^(1 / p) of each window: [B, C, L] -> [B, C, L']. */
export class LPPool1d extends LPPool {
  forward(x: Tensor): Tensor {
    return this.pool(x, 1);
  }
}

/** (Σ x^p)^(1 / p) of each window: [B, C, H, W] -> [B, C, H', W']. */
export class LPPool2d extends LPPool {
  forward(x: Tensor): Tensor {
    return this.pool(x, 2);
  }
}

/** (Σ x^p)^(1 / p) of each window: [B, C, D, H, W] -> [B, C, D', H', W']. */
export class LPPool3d extends LPPool {
  forward(x: Tensor): Tensor {
    return this.pool(x, 3);
  }
}

export interface FractionalPoolOptions {
  /** Size of the output's spatial dimensions; give this or `outputRatio`. */
  outputSize?: Size | null;
  /** The output's size as a share of the input's. */
  outputRatio?: Size | null;
  /** Draws where windows begin; default libtorch's for the whole process. */
  generator?: Generator | null;
}

/** The largest element of windows at drawn places (Graham 2015). */
abstract class FractionalMaxPool extends Module {
  readonly #options: FractionalPoolOptions;

  /** @throws TorchError unless exactly one of outputSize and outputRatio is given */
  constructor(
    readonly kernelSize: Size,
    options: FractionalPoolOptions = {},
  ) {
    super();
    if ((options.outputSize == null) === (options.outputRatio == null)) {
      throw new TorchError(`${new.target.name} needs an outputSize or an outputRatio. Give one of them.`);
    }
    this.#options = options;
  }

  /** The output's size, and one number in 0 … 1 for each sample, channel and dimension. */
  protected draw(x: Tensor, dimensions: number): { size: number[]; samples: Tensor } {
    const { outputSize, outputRatio, generator } = this.#options;
    const each = (value: Size) =>
      typeof value === "number" ? new Array<number>(dimensions).fill(value) : [...value];
    const [batch, channels, ...places] = x.shape;
    if (batch === undefined || channels === undefined || places.length !== dimensions) {
      throw new TorchError(
        `${this.constructor.name} was given [${x.shape}]. Pass a batch, channels and ${dimensions} spatial dimensions.`,
      );
    }
    const ratios = each(outputRatio ?? 1);
    const size =
      outputSize == null
        ? places.map((length, i) => Math.floor(length * (ratios[i] as number)))
        : each(outputSize);
    const { dtype, device } = x;
    return { size, samples: rand([batch, channels, dimensions], { generator, dtype, device }) };
  }
}

/** The largest element of windows at drawn places: [B, C, H, W] -> [B, C, H', W']. */
export class FractionalMaxPool2d extends FractionalMaxPool {
  forward(x: Tensor): Tensor {
    const { size, samples } = this.draw(x, 2);
    return x.fractionalMaxPool2d(this.kernelSize, size, samples)[0];
  }
}

/** The largest element of windows at drawn places: [B, C, D, H, W] -> [B, C, D', H', W']. */
export class FractionalMaxPool3d extends FractionalMaxPool {
  forward(x: Tensor): Tensor {
    const { size, samples } = this.draw(x, 3);
    return x.fractionalMaxPool3d(this.kernelSize, size, samples)[0];
  }
}

export interface UnpoolOptions {
  /** Default: the window's size. */
  stride?: Size | null;
  /** What was added at both ends before pooling. Default 0. */
  padding?: Size;
}

/** Puts maxima back to where they were, with zeros elsewhere: the partial reverse of max pooling. */
abstract class MaxUnpool extends Module<[x: Tensor, indices: Tensor, outputSize?: readonly number[]]> {
  protected readonly stride: Size;
  protected readonly padding: Size;

  constructor(
    readonly kernelSize: Size,
    { stride = null, padding = 0 }: UnpoolOptions = {},
  ) {
    super();
    this.stride = stride ?? kernelSize;
    this.padding = padding;
  }

  /** The smallest input that max pooling would have made an output of this size from: (L - 1) stride - 2 padding + kernel. */
  protected sizes(x: Tensor, dimensions: number): { size: number[]; stride: number[]; padding: number[] } {
    const each = (value: Size) =>
      typeof value === "number" ? new Array<number>(dimensions).fill(value) : [...value];
    const [kernel, stride, padding] = [each(this.kernelSize), each(this.stride), each(this.padding)];
    const places = x.shape.slice(-dimensions);
    const size = places.map((length, i) => (length - 1) * stride[i]! - 2 * padding[i]! + kernel[i]!);
    return { size, stride, padding };
  }
}

/** Max unpooling of [B, C, L] with the indices of `x.maxPool1dWithIndices`. */
export class MaxUnpool1d extends MaxUnpool {
  /** @param outputSize [L'], where a stride leaves a choice */
  forward(x: Tensor, indices: Tensor, outputSize?: readonly number[]): Tensor {
    const { size } = this.sizes(x, 1);
    const unpooled = x.unsqueeze(-1).maxUnpool2d(indices.unsqueeze(-1), [...(outputSize ?? size), 1]);
    return unpooled.squeeze(-1);
  }
}

/** Max unpooling of [B, C, H, W] with the indices of `x.maxPool2dWithIndices`. */
export class MaxUnpool2d extends MaxUnpool {
  /** @param outputSize [H', W'], where a stride leaves a choice */
  forward(x: Tensor, indices: Tensor, outputSize?: readonly number[]): Tensor {
    return x.maxUnpool2d(indices, outputSize ?? this.sizes(x, 2).size);
  }
}

/** Max unpooling of [B, C, D, H, W] with the indices of `x.maxPool3dWithIndices`. */
export class MaxUnpool3d extends MaxUnpool {
  /** @param outputSize [D', H', W'], where a stride leaves a choice */
  forward(x: Tensor, indices: Tensor, outputSize?: readonly number[]): Tensor {
    const { size, stride, padding } = this.sizes(x, 3);
    return x.maxUnpool3d(indices, outputSize ?? size, stride, padding);
  }
}
