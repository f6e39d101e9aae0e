import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { _fusedAdam_, _fusedAdamw_, full, scope, TorchError } from "../tensor/index.ts";
import { checkNotNegative, Optimizer, type OptimizerState, type Parameters } from "./optimizer.ts";

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

abstract class AdamFamily extends Optimizer<AdamSettings, Moment> {
  protected abstract readonly update: typeof _fusedAdam_;
  readonly #steps = new Map<Tensor, number>();

  constructor(parameters: Parameters<AdamSettings>, settings: AdamSettings) {
    super(parameters, settings);
    for (const { betas, eps, weightDecay } of this.groups) {
      if (!betas.every((beta) => beta >= 0 && beta < 1)) {
        throw new TorchError(`${new.target.name}: betas are [${betas}]. Choose both in 0 … 1, below 1.`);
      }
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
              this.#count(params),
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

  protected override savedNames(settings: AdamSettings): string[] {
    return [...this.stateNames(settings), "step"];
  }

  override stateDict(): OptimizerState {
    const state = super.stateDict();
    const steps = this.parameters().flatMap((parameter, i) => {
      const count = this.#steps.get(parameter);
      return count === undefined ? [] : [[`${i}.step`, full([], count)]];
    });
    return { ...state, tensors: { ...state.tensors, ...Object.fromEntries(steps) } };
  }

  override loadStateDict(given: OptimizerState): void {
    super.loadStateDict(given);
    this.#steps.clear();
    this.parameters().forEach((parameter, i) => {
      const count = given.tensors[`${i}.step`];
      if (count) this.#steps.set(parameter, count.item());
    });
  }

  /** Counts a step of each parameter; gives the counts as tensors, one for all that agree. */
  #count(params: readonly Tensor[]): Tensor[] {
    const tensors = new Map<number, Tensor>();
    return params.map((parameter) => {
      const step = (this.#steps.get(parameter) ?? 0) + 1;
      this.#steps.set(parameter, step);
      const tensor = tensors.get(step) ?? full([], step, { dtype: "float32", device: parameter.device });
      tensors.set(step, tensor);
      return tensor;
    });
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
