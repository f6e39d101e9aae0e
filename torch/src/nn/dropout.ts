import { TorchError } from "../errors.ts";
import { dropout, featureDropout } from "../operators.ts";
import type { Tensor } from "../tensor.ts";
import { Module } from "./module.ts";

/** Sets each element to zero with probability p in training, and scales the others by 1 / (1 - p). */
export class Dropout extends Module {
  constructor(readonly p = 0.5) {
    super();
    checkProbability(p, "Dropout");
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? dropout(x, this.p, true) : x;
  }
}

/** Sets whole channels of [B, C, H, W] to zero with probability p in training, and scales the others by 1 / (1 - p). */
export class Dropout2d extends Module {
  constructor(readonly p = 0.5) {
    super();
    checkProbability(p, "Dropout2d");
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? featureDropout(x, this.p, true) : x;
  }
}

function checkProbability(p: number, layer: string): void {
  if (p >= 0 && p <= 1) return;
  throw new TorchError(`${layer}: p is ${p}, which is no probability. Choose it in 0 … 1.`);
}
