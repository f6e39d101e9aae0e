import type { Tensor } from "../tensor/index.ts";
import {
  call,
  TorchError,
  upsampleBicubic2d,
  upsampleBilinear2d,
  upsampleLinear1d,
  upsampleNearest1d,
  upsampleNearest2d,
  upsampleNearest3d,
  upsampleTrilinear3d,
} from "../tensor/index.ts";
import type { Size } from "./conv.ts";
import { Module } from "./module.ts";

export type UpsampleMode = "nearest" | "nearest-exact" | "linear" | "bilinear" | "bicubic" | "trilinear";

export interface UpsampleOptions {
  /** Size of the output's spatial dimensions; give this or `scaleFactor`. */
  size?: Size | null;
  /** How many times larger the output is: one number, or one for each spatial dimension. */
  scaleFactor?: Size | null;
  /** "linear" is for [B, C, L], "bilinear" and "bicubic" for [B, C, H, W], "trilinear" for [B, C, D, H, W]. Default "nearest". */
  mode?: UpsampleMode;
  /** Whether the corner pixels of input and output coincide; for the modes that interpolate. Default false. */
  alignCorners?: boolean;
}

type Sizes = readonly number[] | null;

/** What enlarges tensors of a mode and a number of spatial dimensions. */
const OPERATORS: Readonly<
  Record<string, (x: Tensor, size: Sizes, alignCorners: boolean, scale: Sizes) => Tensor>
> = {
  "nearest 1": (x, size, _, scale) => upsampleNearest1d(x, size, scale),
  "nearest 2": (x, size, _, scale) => upsampleNearest2d(x, size, scale),
  "nearest 3": (x, size, _, scale) => upsampleNearest3d(x, size, scale),
  "nearest-exact 1": (x, size, _, scale) => call("aten::_upsample_nearest_exact1d", x, size, scale) as Tensor,
  "nearest-exact 2": (x, size, _, scale) => call("aten::_upsample_nearest_exact2d", x, size, scale) as Tensor,
  "nearest-exact 3": (x, size, _, scale) => call("aten::_upsample_nearest_exact3d", x, size, scale) as Tensor,
  "linear 1": upsampleLinear1d,
  "bilinear 2": upsampleBilinear2d,
  "bicubic 2": upsampleBicubic2d,
  "trilinear 3": upsampleTrilinear3d,
};

/**
 * Enlarges (or reduces) the spatial dimensions: [B, C, ...size] -> [B, C, ...size'].
 * @example new nn.Upsample({ scaleFactor: 2, mode: "bilinear" })
 */
export class Upsample extends Module {
  readonly mode: UpsampleMode;
  readonly #size: Size | null;
  readonly #scaleFactor: Size | null;
  readonly #alignCorners: boolean;

  /** @throws TorchError unless exactly one of size and scaleFactor is given */
  constructor({
    size = null,
    scaleFactor = null,
    mode = "nearest",
    alignCorners = false,
  }: UpsampleOptions = {}) {
    super();
    if ((size === null) === (scaleFactor === null)) {
      throw new TorchError("Upsample needs a size or a scaleFactor, and not both. Give one of them.");
    }
    this.mode = mode;
    this.#size = size;
    this.#scaleFactor = scaleFactor;
    this.#alignCorners = alignCorners;
  }

  /** @throws TorchError for a number of dimensions that the mode is not for */
  forward(x: Tensor): Tensor {
    const dimensions = x.ndim - 2;
    const operator = OPERATORS[`${this.mode} ${dimensions}`];
    if (!operator) {
      throw new TorchError(
        `Upsample: "${this.mode}" is not for tensors of ${dimensions} spatial dimensions ([${x.shape}]). ` +
          `Choose linear for [B, C, L], bilinear or bicubic for [B, C, H, W], trilinear for [B, C, D, H, W], or nearest.`,
      );
    }
    const each = (value: Size | null) =>
      typeof value === "number" ? new Array<number>(dimensions).fill(value) : value;
    return operator(x, each(this.#size), this.#alignCorners, each(this.#scaleFactor));
  }
}

/** Upsample of images by repeating pixels. */
export class UpsamplingNearest2d extends Upsample {
  constructor(options: Pick<UpsampleOptions, "size" | "scaleFactor">) {
    super({ ...options, mode: "nearest" });
  }
}

/** Upsample of images by bilinear interpolation, the corner pixels coinciding. */
export class UpsamplingBilinear2d extends Upsample {
  constructor(options: Pick<UpsampleOptions, "size" | "scaleFactor">) {
    super({ ...options, mode: "bilinear", alignCorners: true });
  }
}
