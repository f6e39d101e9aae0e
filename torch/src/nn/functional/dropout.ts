import type { Tensor } from "../../tensor/index.ts";
import {
  AlphaDropout,
  Dropout,
  Dropout1d,
  Dropout2d,
  Dropout3d,
  type DropoutOptions,
  FeatureAlphaDropout,
} from "../dropout.ts";
import type { Module } from "../module.ts";

export interface FunctionalDropoutOptions extends DropoutOptions {
  /** The probability with which something goes. Default 0.5. */
  p?: number;
  /** Whether anything goes. Default true; false for the alpha dropouts, as in PyTorch. */
  training?: boolean;
}

type Layer = new (p: number, options: DropoutOptions) => Module;

const through =
  (Layer: Layer, isTraining = true) =>
  (x: Tensor, { p = 0.5, training = isTraining, generator = null }: FunctionalDropoutOptions = {}): Tensor =>
    new Layer(p, { generator }).train(training).forward(x);

/** nn.Dropout as a function. @throws TorchError for a p outside of 0 … 1 */
export const dropout = through(Dropout);
/** nn.Dropout1d as a function: whole channels of [B, C, L]. */
export const dropout1d = through(Dropout1d);
/** nn.Dropout2d as a function: whole channels of [B, C, H, W]. */
export const dropout2d = through(Dropout2d);
/** nn.Dropout3d as a function: whole channels of [B, C, D, H, W]. */
export const dropout3d = through(Dropout3d);
/** nn.AlphaDropout as a function. */
export const alphaDropout = through(AlphaDropout, false);
/** nn.FeatureAlphaDropout as a function. */
export const featureAlphaDropout = through(FeatureAlphaDropout, false);
