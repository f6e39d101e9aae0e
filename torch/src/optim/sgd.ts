import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { _fusedSgd_, scope, TorchError } from "../tensor/index.ts";
import { type Bucket, checkNotNegative, Optimizer, type Parameters } from "./optimizer.ts";

export interface SgdSettings {
  lr: number;
  /** Decay of the velocity. Default 0. */
  momentum: number;
  /** How much less of the gradient enters the velocity. Default 0. */
  dampening: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay: number;
  /** Looks ahead along the velocity. Default false. */
  nesterov: boolean;
  /** Climbs instead of descending. Default false. */
  maximize: boolean;
}

/**
 * Stochastic gradient descent: v = momentum v + (1 - dampening) g, p -= lr v, with v = g at first; with Nesterov
 * p -= lr (g + momentum v) (Sutskever et al. 2013, in PyTorch's form).
 */
export class SGD extends Optimizer<SgdSettings, "momentumBuffer"> {
  /** @param settings `lr` must be given for all groups */
  constructor(parameters: Parameters<SgdSettings>, settings: Partial<SgdSettings> & { lr: number }) {
    super(parameters, {
      momentum: 0,
      dampening: 0,
      weightDecay: 0,
      nesterov: false,
      maximize: false,
      ...settings,
    });
    for (const { momentum, dampening, weightDecay, nesterov } of this.groups) {
      checkNotNegative("SGD", { momentum, weightDecay });
      if (nesterov && (momentum <= 0 || dampening !== 0)) {
        throw new TorchError(
          "SGD: nesterov needs a momentum above 0 and no dampening. Set momentum, for example to 0.9.",
        );
      }
    }
  }

  /** Moves every parameter that has a gradient. One fused call for each group, device and dtype. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) {
          const { params: _, ...settings } = group;
          for (const bucket of this.buckets(group)) move(bucket, settings);
        }
      }),
    );
  }

  protected stateNames({ momentum }: SgdSettings): "momentumBuffer"[] {
    return momentum === 0 ? [] : ["momentumBuffer"];
  }
}

function move({ params, grads, isNew, state }: Bucket<"momentumBuffer">, settings: SgdSettings): void {
  if (settings.momentum === 0) {
    _fusedSgd_(params, grads, [], { ...settings, isFirstStep: false });
    return;
  }
  // The operator treats all parameters of a call as new ones or all as old ones.
  for (const isFirstStep of new Set(isNew)) {
    const chosen = (tensors: readonly Tensor[]) => tensors.filter((_tensor, i) => isNew[i] === isFirstStep);
    _fusedSgd_(chosen(params), chosen(grads), chosen(state.momentumBuffer), { ...settings, isFirstStep });
  }
}
