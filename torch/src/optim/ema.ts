import { noGrad } from "../autograd.ts";
import type { AnyModule } from "../nn/module.ts";
import { copyState, type StateDict } from "../nn/state-dict.ts";
import type { Tensor } from "../tensor/index.ts";
import { _foreachCopy_, _foreachLerp_, keep, scope, synchronous, TorchError } from "../tensor/index.ts";

export interface EmaOptions {
  /** Share of the old average that an update keeps. Default 0.999. */
  decay?: number;
  /** Lets the average follow faster at first: decay min(decay, (1 + n) / (10 + n)) in the n-th update. Default false. */
  warmup?: boolean;
  /** Holds the averages in its own parameters and buffers: a model of the same kind. Default: tensors of the object. */
  average?: AnyModule | null;
}

/**
 * Exponential moving average of a model's parameters: average = decay average + (1 - decay) parameter. Buffers are
 * taken over as they are.
 *
 * @example
 * const ema = new optim.Ema(model, { decay: 0.999 });
 * // after each step:
 * ema.update();
 * // for evaluation:
 * const accuracy = ema.apply(() => evaluate(model));
 */
export class Ema {
  readonly decay: number;
  readonly warmup: boolean;
  #updates = 0;
  readonly #averages: ReadonlyMap<string, { own: Tensor; average: Tensor }>;

  /** @throws TorchError for a decay outside of 0 … 1; StateDictError for an `average` of another kind */
  constructor(model: AnyModule, { decay = 0.999, warmup = false, average = null }: EmaOptions = {}) {
    if (!(decay >= 0 && decay <= 1))
      throw new TorchError(`Ema: decay is ${decay}. Choose it in 0 … 1, usually just below 1.`);
    this.decay = decay;
    this.warmup = warmup;
    average?.loadStateDict(model.stateDict());
    average?.requiresGrad_(false);
    const averages = average?.stateDict();
    this.#averages = noGrad(() => {
      const entries = Object.entries(model.stateDict());
      return new Map(
        entries.map(([key, own]) => [key, { own, average: averages?.[key] ?? keep(own.clone()) }]),
      );
    });
  }

  /** Number of updates so far. */
  get updates(): number {
    return this.#updates;
  }

  /**
   * Moves the averages towards the model's parameters; to be called after each step of the optimizer.
   * @param decay of this update, where it follows a course of its own
   */
  update(decay = this.#nextDecay()): void {
    this.#updates += 1;
    const pairs = [...this.#averages.values()];
    const averaged = pairs.filter(({ own }) => own.isParameter);
    const copied = pairs.filter(({ own }) => !own.isParameter);
    noGrad(() => {
      if (averaged.length > 0) {
        _foreachLerp_(
          averaged.map(({ average }) => average),
          averaged.map(({ own }) => own),
          1 - decay,
        );
      }
      if (copied.length === 0) return;
      _foreachCopy_(
        copied.map(({ average }) => average),
        copied.map(({ own }) => own),
      );
    });
  }

  #nextDecay(): number {
    const n = this.#updates + 1;
    return this.warmup ? Math.min(this.decay, (1 + n) / (10 + n)) : this.decay;
  }

  /**
   * Runs `fn` with the averages in the model, and puts the model's own values back afterwards.
   * @throws TorchError when `fn` is asynchronous: its rest would see the model's own values
   */
  apply<T>(fn: () => T): T {
    const own = [...this.#averages.values()].map((pair) => pair.own);
    const averages = [...this.#averages.values()].map(({ average }) => average);
    const saved = keep(noGrad(() => own.map((tensor) => tensor.clone())));
    try {
      noGrad(() => _foreachCopy_(own, averages));
      return synchronous("Ema.apply", fn());
    } finally {
      noGrad(() => _foreachCopy_(own, saved));
      for (const tensor of saved) tensor.dispose();
    }
  }

  /** Writes the averages into another model of the same kind, for example the one to be saved. */
  copyTo(model: AnyModule): void {
    model.loadStateDict(this.stateDict());
  }

  /** The averages with the model's keys: the object's own tensors, not copies. */
  stateDict(): StateDict {
    return Object.fromEntries([...this.#averages].map(([key, { average }]) => [key, average]));
  }

  /**
   * Goes on from saved averages.
   * @param updates the number of updates so far, where `warmup` is to go on too
   * @throws StateDictError when keys or shapes do not fit
   */
  loadStateDict(state: StateDict, updates: number): void {
    scope(() => copyState("the averages", this.stateDict(), state, true));
    this.#updates = updates;
  }

  /** Releases the averages' memory now. */
  dispose(): void {
    for (const { average } of this.#averages.values()) average.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
