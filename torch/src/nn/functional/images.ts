import {
  _upsampleBicubic2dAa,
  _upsampleBilinear2dAa,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  affineGridGenerator,
  gridSampler,
  type Tensor,
  TorchError,
} from "../../tensor/index.ts";
import type { Size } from "../conv.ts";
import { Fold, Unfold, type UnfoldOptions } from "../shapes.ts";
import { Upsample, type UpsampleMode, type UpsampleOptions } from "../upsample.ts";

export interface InterpolateOptions extends Omit<UpsampleOptions, "mode"> {
  /** Also "area", the mean of what a pixel covers. Default "nearest". */
  mode?: UpsampleMode | "area";
  /** Smooths before reducing, as PIL does; for "bilinear" and "bicubic". Default false. */
  antialias?: boolean;
}

const ANTIALIASED: Readonly<Record<string, typeof _upsampleBilinear2dAa>> = {
  bilinear: _upsampleBilinear2dAa,
  bicubic: _upsampleBicubic2dAa,
};

/**
 * Enlarges or reduces the spatial dimensions: [B, C, ...size] -> [B, C, ...size'].
 * @throws TorchError for neither or both of size and scaleFactor, and for a mode that the dimensions do not have
 * @example F.interpolate(images, { size: [224, 224], mode: "bilinear", antialias: true })
 */
export function interpolate(
  x: Tensor,
  { antialias = false, mode = "nearest", ...options }: InterpolateOptions,
): Tensor {
  if (mode !== "area" && !antialias) return new Upsample({ ...options, mode }).forward(x);
  const { size = null, scaleFactor = null, alignCorners = false } = options;
  const dimensions = x.ndim - 2;
  const each = (value: Size): readonly number[] =>
    typeof value === "number" ? new Array<number>(dimensions).fill(value) : value;
  if ((size === null) === (scaleFactor === null))
    throw new TorchError("interpolate needs a size or a scaleFactor, and not both. Give one of them.");
  if (antialias) {
    const operator = ANTIALIASED[mode];
    if (!operator || dimensions !== 2)
      throw new TorchError(
        `interpolate: antialias is for "bilinear" and "bicubic" of [B, C, H, W], not for "${mode}" of [${x.shape}]. Leave it out, or change the mode.`,
      );
    const [sizes, scales] = [size, scaleFactor].map((value) => (value === null ? null : each(value)));
    return operator(x, sizes ?? null, alignCorners, scales ?? null);
  }
  const scales = scaleFactor === null ? [] : each(scaleFactor);
  const sizes =
    size === null ? x.shape.slice(2).map((length, i) => Math.floor(length * scales[i]!)) : each(size);
  const pool = [adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d][dimensions - 1];
  if (pool) return pool(x, sizes);
  throw new TorchError(
    `interpolate: "area" is for 1 to 3 spatial dimensions, and [${x.shape}] has ${dimensions}. Pass [B, C, ...size].`,
  );
}

const GRID_MODES = { bilinear: 0, nearest: 1, bicubic: 2 } as const;
const GRID_BORDERS = { zeros: 0, border: 1, reflection: 2 } as const;

export interface GridSampleOptions {
  /** Default "bilinear", which is trilinear for volumes. */
  mode?: keyof typeof GRID_MODES;
  /** What lies outside of the image. Default "zeros". */
  paddingMode?: keyof typeof GRID_BORDERS;
  /** Whether -1 and 1 are the centres of the corner pixels, and not their outer edges. Default false. */
  alignCorners?: boolean;
}

/**
 * Reads an image at places: [B, C, H, W] and [B, H', W', 2] -> [B, C, H', W'], volumes likewise. The last dimension of the
 * grid is (x, y), -1 … 1 from edge to edge.
 */
export function gridSample(
  x: Tensor,
  grid: Tensor,
  { mode = "bilinear", paddingMode = "zeros", alignCorners = false }: GridSampleOptions = {},
): Tensor {
  return gridSampler(x, grid, GRID_MODES[mode], GRID_BORDERS[paddingMode], alignCorners);
}

/**
 * The grid of an affine map for `gridSample`: theta [B, 2, 3] and a size [B, C, H, W] -> [B, H, W, 2]; for volumes
 * [B, 3, 4] and [B, C, D, H, W] -> [B, D, H, W, 3].
 */
export function affineGrid(
  theta: Tensor,
  size: readonly number[],
  { alignCorners = false }: Pick<GridSampleOptions, "alignCorners"> = {},
): Tensor {
  return affineGridGenerator(theta, size, alignCorners);
}

/** nn.Unfold as a function: the blocks of an image, [B, C, H, W] -> [B, C * kernel's elements, L]. */
export const unfold = (x: Tensor, kernelSize: Size, options: UnfoldOptions = {}): Tensor =>
  new Unfold(kernelSize, options).forward(x);

/** nn.Fold as a function: sums blocks into an image of `outputSize`. */
export const fold = (x: Tensor, outputSize: Size, kernelSize: Size, options: UnfoldOptions = {}): Tensor =>
  new Fold(outputSize, kernelSize, options).forward(x);
