import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import {
  _foreachAdd,
  _foreachAdd_,
  _foreachMul,
  _foreachMul_,
  _foreachNorm,
  _foreachSub_,
  scope,
  stack,
} from "../tensor/index.ts";
import { type Bucket, checkNotNegative, Optimizer, type Parameters } from "./optimizer.ts";

export interface LarsSettings {
  lr: number;
  /** Default 0.9. */
  momentum: number;
  /** β of the paper. Default 0. */
  weightDecay: number;
  /** η of the paper: how far a layer moves in relation to its norm. Default 0.001. */
  trust: number;
  /** false for plain SGD with momentum, as is usual for biases and norms. Default true. */
  adaptive: boolean;
}

/**
 * Layer-wise adaptive rate scaling (You et al. 2017, algorithm 1), for very large batches:
 * λ = η |p| / (|g| + β |p|) for each tensor, v = momentum v + lr λ (g + β p), p -= v. Where |p| or |g| is 0, λ is 1.
 *
 * @example new optim.LARS([{ params: matrices }, { params: vectors, adaptive: false, weightDecay: 0 }], { lr: 4.8 })
 */
export class LARS extends Optimizer<LarsSettings, "momentumBuffer"> {
  /** @param settings `lr` must be given for all groups */
  constructor(parameters: Parameters<LarsSettings>, settings: Partial<LarsSettings> & { lr: number }) {
    super(parameters, { momentum: 0.9, weightDecay: 0, trust: 1e-3, adaptive: true, ...settings });
    for (const { momentum, weightDecay, trust } of this.groups)
      checkNotNegative("LARS", { momentum, weightDecay, trust });
  }

  /** Moves every parameter that has a gradient. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) for (const bucket of this.buckets(group)) move(bucket, group);
      }),
    );
  }

  protected stateNames(): "momentumBuffer"[] {
    return ["momentumBuffer"];
  }
}

function move({ params, grads, state }: Bucket<"momentumBuffer">, settings: LarsSettings): void {
  const { lr, momentum, weightDecay, adaptive } = settings;
  const decayed = _foreachAdd(grads, params, { alpha: weightDecay });
  const updates = adaptive ? _foreachMul(decayed, rates(settings, params, grads)) : decayed;
  _foreachMul_(state.momentumBuffer, momentum);
  _foreachAdd_(state.momentumBuffer, updates, { alpha: lr });
  _foreachSub_(params, state.momentumBuffer);
}

/** λ of each parameter, as tensors without dimensions. */
function rates({ trust, weightDecay }: LarsSettings, params: Tensor[], grads: Tensor[]): Tensor[] {
  const sizes = stack(_foreachNorm(params)); // [P]
  const slopes = stack(_foreachNorm(grads)); // [P]
  const lambda = sizes.mul(trust).div(slopes.add(sizes.mul(weightDecay)));
  return lambda.maskedFill(sizes.mul(slopes).eq(0), 1).unbind();
}
