import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { _fusedAdagrad_, scope } from "../tensor/index.ts";
import { checkNotNegative, type Parameters } from "./optimizer.ts";
import { checkReal, SteppedOptimizer } from "./stepped.ts";

export interface AdagradSettings {
  lr: number;
  /** How fast the learning rate falls: lr / (1 + lrDecay (step - 1)). Default 0. */
  lrDecay: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay: number;
  /** Where the sum of squares begins. Default 0. */
  initialAccumulator: number;
  /** Added to the denominator. Default 1e-10. */
  eps: number;
  /** Climbs instead of descending. Default false. */
  maximize: boolean;
}

/** Adagrad (Duchi et al. 2011): s += g², p -= lr g / (sqrt(s) + eps). */
export class Adagrad extends SteppedOptimizer<AdagradSettings, "sum"> {
  /** Settings as in PyTorch: lr 0.01, eps 1e-10. */
  constructor(parameters: Parameters<AdagradSettings>, settings: Partial<AdagradSettings> = {}) {
    super(parameters, {
      lr: 0.01,
      lrDecay: 0,
      weightDecay: 0,
      initialAccumulator: 0,
      eps: 1e-10,
      maximize: false,
      ...settings,
    });
    for (const { params, lrDecay, weightDecay, initialAccumulator, eps } of this.groups) {
      checkNotNegative("Adagrad", { lrDecay, weightDecay, initialAccumulator, eps });
      checkReal("Adagrad", params);
    }
  }

  /** Moves every parameter that has a gradient. One fused call for each group, device and dtype. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) {
          const { lr, lrDecay, weightDecay, eps, maximize } = group;
          for (const { params, grads, state } of this.buckets(group)) {
            const steps = this.countTensors(params);
            _fusedAdagrad_(params, grads, state.sum, steps, { lr, lrDecay, weightDecay, eps, maximize });
          }
        }
      }),
    );
  }

  protected stateNames(): "sum"[] {
    return ["sum"];
  }

  protected override initialState(parameter: Tensor, { initialAccumulator }: AdagradSettings): Tensor {
    return parameter.detach().fullLike(initialAccumulator);
  }
}
