import { noGrad } from "../autograd.ts";
import { _fusedAdam_, _fusedAdamw_, scope } from "../tensor/index.ts";
import { checkNotNegative, type Parameters } from "./optimizer.ts";
import { checkBetas, SteppedOptimizer } from "./stepped.ts";

export interface AdamSettings {
  lr: number;
  /** Decay of the means of gradients and of their squares. */
  betas: readonly [number, number];
  /** Added to the denominator. */
  eps: number;
  weightDecay: number;
  /** Divides by the largest mean of squares so far (Reddi et al. 2018). */
  amsgrad: boolean;
  /** Climbs instead of descending. */
  maximize: boolean;
}

type Moment = "expAvg" | "expAvgSq" | "maxExpAvgSq";

abstract class AdamFamily extends SteppedOptimizer<AdamSettings, Moment> {
  protected abstract readonly update: typeof _fusedAdam_;

  constructor(parameters: Parameters<AdamSettings>, settings: AdamSettings) {
    super(parameters, settings);
    for (const { betas, eps, weightDecay } of this.groups) {
      checkBetas(new.target.name, betas);
      checkNotNegative(new.target.name, { eps, weightDecay });
    }
  }

  /** Moves every parameter that has a gradient. One fused call for each group, device and dtype. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) {
          const { lr, betas, eps, weightDecay, amsgrad, maximize } = group;
          for (const { params, grads, state } of this.buckets(group)) {
            this.update(
              params,
              grads,
              state.expAvg,
              state.expAvgSq,
              amsgrad ? state.maxExpAvgSq : [],
              this.countTensors(params),
              {
                lr,
                beta1: betas[0],
                beta2: betas[1],
                weightDecay,
                eps,
                amsgrad,
                maximize,
              },
            );
          }
        }
      }),
    );
  }

  protected stateNames({ amsgrad }: AdamSettings): Moment[] {
    return amsgrad ? ["expAvg", "expAvgSq", "maxExpAvgSq"] : ["expAvg", "expAvgSq"];
  }
}

/**
 * Adam (Kingma and Ba 2015, algorithm 1): p -= lr m̂ / (sqrt(v̂) + eps), with m and v the decaying means of the gradient
 * and of its square, corrected for their start at zero. `weightDecay` is added to the gradient.
 */
export class Adam extends AdamFamily {
  protected readonly update = _fusedAdam_;

  /** Settings as in PyTorch: lr 0.001, betas [0.9, 0.999], eps 1e-8, weightDecay 0. */
  constructor(parameters: Parameters<AdamSettings>, settings: Partial<AdamSettings> = {}) {
    super(parameters, {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: false,
      maximize: false,
      ...settings,
    });
  }
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): p -= lr weightDecay p, then Adam's step.
 *
 * @example
 * const optimizer = new optim.AdamW(model.parameters(), { lr: 3e-4 });
 * scope(() => {
 *   optimizer.zeroGrad();
 *   model.forward(x).crossEntropyLoss(y).backward();
 *   optimizer.step();
 * });
 */
export class AdamW extends AdamFamily {
  protected readonly update = _fusedAdamw_;

  /** Settings as in PyTorch: lr 0.001, betas [0.9, 0.999], eps 1e-8, weightDecay 0.01. */
  constructor(parameters: Parameters<AdamSettings>, settings: Partial<AdamSettings> = {}) {
    super(parameters, {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0.01,
      amsgrad: false,
      maximize: false,
      ...settings,
    });
  }
}
