import type { Tensor } from "../tensor/index.ts";
import { _foreachAdd, _foreachNeg, full, TorchError } from "../tensor/index.ts";
import { type Bucket, Optimizer, type OptimizerState } from "./optimizer.ts";

/** An optimizer whose step depends on how many steps a parameter has taken: it counts those with a gradient. */
export abstract class SteppedOptimizer<
  Settings extends { lr: number },
  Name extends string,
> extends Optimizer<Settings, Name> {
  readonly #steps = new Map<Tensor, number>();

  protected override savedNames(settings: Settings): string[] {
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

  /** Counts a step of each parameter and gives the counts. */
  protected count(params: readonly Tensor[]): number[] {
    return params.map((parameter) => {
      const step = (this.#steps.get(parameter) ?? 0) + 1;
      this.#steps.set(parameter, step);
      return step;
    });
  }

  /** The same as tensors, one for all that agree, as fused operators take them. */
  protected countTensors(params: readonly Tensor[]): Tensor[] {
    const tensors = new Map<number, Tensor>();
    return this.count(params).map((step, i) => {
      const tensor = tensors.get(step) ?? full([], step, { dtype: "float32", device: params[i]!.device });
      tensors.set(step, tensor);
      return tensor;
    });
  }
}

/** Where to descend: the gradients, turned round to climb, with the decay that is no step of its own. */
export function slopesOf(
  { grads, params }: Pick<Bucket<never>, "grads" | "params">,
  { maximize, weightDecay }: { maximize: boolean; weightDecay: number },
): Tensor[] {
  const slopes = maximize ? _foreachNeg(grads) : grads;
  return weightDecay === 0 ? slopes : _foreachAdd(slopes, params, { alpha: weightDecay });
}

/** Refuses complex parameters, whose squares are not those of their magnitudes. */
export function checkReal(optimizer: string, params: readonly Tensor[]): void {
  const complex = params.find((parameter) => parameter.isComplex());
  if (!complex) return;
  throw new TorchError(
    `${optimizer}: a parameter of shape [${complex.shape}] is ${complex.dtype}. Train its real view, parameter.viewAsReal().`,
  );
}

/** Refuses betas outside of 0 … 1. */
export function checkBetas(optimizer: string, betas: readonly [number, number]): void {
  if (betas.every((beta) => beta >= 0 && beta < 1)) return;
  throw new TorchError(`${optimizer}: betas are [${betas}]. Choose both in 0 … 1, below 1.`);
}
