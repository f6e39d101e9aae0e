import {
  adaptiveMaxPool1d as adaptiveMaxima1d,
  adaptiveMaxPool2d as adaptiveMaxima2d,
  adaptiveMaxPool3d as adaptiveMaxima3d,
  type Tensor,
} from "../../tensor/index.ts";
import type { Size } from "../conv.ts";
import type { Module } from "../module.ts";
import {
  FractionalMaxPool2d,
  FractionalMaxPool3d,
  type FractionalPoolOptions,
  LPPool1d,
  LPPool2d,
  LPPool3d,
  type LPPoolOptions,
  MaxUnpool1d,
  MaxUnpool2d,
  MaxUnpool3d,
  type UnpoolOptions,
} from "../special-pooling.ts";

/** The largest element of each of `outputSize` windows of [B, C, L]. */
export const adaptiveMaxPool1d = (x: Tensor, outputSize: number): Tensor =>
  adaptiveMaxima1d(x, outputSize)[0];
/** The largest element of each of `outputSize` windows of [B, C, H, W]. */
export const adaptiveMaxPool2d = (x: Tensor, outputSize: Size): Tensor => adaptiveMaxima2d(x, outputSize)[0];
/** The largest element of each of `outputSize` windows of [B, C, D, H, W]. */
export const adaptiveMaxPool3d = (x: Tensor, outputSize: Size): Tensor => adaptiveMaxima3d(x, outputSize)[0];

const powers =
  (Layer: new (normType: number, kernelSize: Size, options: LPPoolOptions) => Module) =>
  (x: Tensor, normType: number, kernelSize: Size, options: LPPoolOptions = {}): Tensor =>
    new Layer(normType, kernelSize, options).forward(x);

/** nn.LPPool1d as a function: (Σ x^p)^(1 / p) of each window. */
export const lpPool1d = powers(LPPool1d);
/** nn.LPPool2d as a function. */
export const lpPool2d = powers(LPPool2d);
/** nn.LPPool3d as a function. */
export const lpPool3d = powers(LPPool3d);

const drawn =
  (Layer: new (kernelSize: Size, options: FractionalPoolOptions) => Module) =>
  (x: Tensor, kernelSize: Size, options: FractionalPoolOptions): Tensor =>
    new Layer(kernelSize, options).forward(x);

/** nn.FractionalMaxPool2d as a function: the largest element of windows at drawn places. */
export const fractionalMaxPool2d = drawn(FractionalMaxPool2d);
/** nn.FractionalMaxPool3d as a function. */
export const fractionalMaxPool3d = drawn(FractionalMaxPool3d);

type Unpool = Module<[x: Tensor, indices: Tensor, outputSize?: readonly number[]]>;

const put =
  (Layer: new (kernelSize: Size, options: UnpoolOptions) => Unpool) =>
  (
    x: Tensor,
    indices: Tensor,
    kernelSize: Size,
    { outputSize, ...options }: UnpoolOptions & { outputSize?: readonly number[] } = {},
  ): Tensor =>
    new Layer(kernelSize, options).forward(x, indices, ...(outputSize ? [outputSize] : []));

/** nn.MaxUnpool1d as a function: puts maxima back to where they were. */
export const maxUnpool1d = put(MaxUnpool1d);
/** nn.MaxUnpool2d as a function. */
export const maxUnpool2d = put(MaxUnpool2d);
/** nn.MaxUnpool3d as a function. */
export const maxUnpool3d = put(MaxUnpool3d);
