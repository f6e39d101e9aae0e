import { noGrad } from "../autograd.ts";
import {
  _foreachAdd_,
  _foreachAddcdiv_,
  _foreachAddcmul,
  _foreachAddcmul_,
  _foreachLerp_,
  _foreachMul_,
  _foreachSqrt,
  _foreachSqrt_,
  scope,
} from "../tensor/index.ts";
import { type Bucket, checkNotNegative, Optimizer, type Parameters } from "./optimizer.ts";
import { checkReal, slopesOf } from "./stepped.ts";

export interface RmspropSettings {
  lr: number;
  /** Decay of the mean of squares. Default 0.99. */
  alpha: number;
  /** Added to the denominator. Default 1e-8. */
  eps: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay: number;
  /** Decay of the velocity. Default 0. */
  momentum: number;
  /** Divides by the spread around the mean gradient instead (Graves 2013, eq. 38 to 45). Default false. */
  centered: boolean;
  /** Climbs instead of descending. Default false. */
  maximize: boolean;
}

type State = "squareAvg" | "gradAvg" | "momentumBuffer";

/**
 * RMSprop (Tieleman and Hinton 2012, lecture 6.5): s = alpha s + (1 - alpha) g², p -= lr g / (sqrt(s) + eps); with momentum
 * the quotient goes into a velocity first.
 */
export class RMSprop extends Optimizer<RmspropSettings, State> {
  /** Settings as in PyTorch: lr 0.01, alpha 0.99, eps 1e-8. */
  constructor(parameters: Parameters<RmspropSettings>, settings: Partial<RmspropSettings> = {}) {
    super(parameters, {
      lr: 0.01,
      alpha: 0.99,
      eps: 1e-8,
      weightDecay: 0,
      momentum: 0,
      centered: false,
      maximize: false,
      ...settings,
    });
    for (const { params, alpha, eps, weightDecay, momentum } of this.groups) {
      checkNotNegative("RMSprop", { alpha, eps, weightDecay, momentum });
      checkReal("RMSprop", params);
    }
  }

  /** Moves every parameter that has a gradient. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) for (const bucket of this.buckets(group)) move(bucket, group);
      }),
    );
  }

  protected stateNames({ momentum, centered }: RmspropSettings): State[] {
    return [
      "squareAvg",
      ...(centered ? (["gradAvg"] as const) : []),
      ...(momentum > 0 ? (["momentumBuffer"] as const) : []),
    ];
  }
}

function move(bucket: Bucket<State>, settings: RmspropSettings): void {
  const { params, state } = bucket;
  const { lr, alpha, eps, momentum, centered } = settings;
  const slopes = slopesOf(bucket, settings);
  _foreachMul_(state.squareAvg, alpha);
  _foreachAddcmul_(state.squareAvg, slopes, slopes, { value: 1 - alpha });
  if (centered) _foreachLerp_(state.gradAvg, slopes, 1 - alpha);
  const spread = centered
    ? _foreachAddcmul(state.squareAvg, state.gradAvg, state.gradAvg, { value: -1 })
    : _foreachSqrt(state.squareAvg);
  if (centered) _foreachSqrt_(spread);
  _foreachAdd_(spread, eps);
  if (momentum > 0) {
    _foreachMul_(state.momentumBuffer, momentum);
    _foreachAddcdiv_(state.momentumBuffer, slopes, spread);
    _foreachAdd_(params, state.momentumBuffer, { alpha: -lr });
  } else {
    _foreachAddcdiv_(params, slopes, spread, { value: -lr });
  }
}
