import { TorchError } from "../tensor/index.ts";

export interface PlateauOptions {
  /** Whether a smaller or a larger measure is better. Default "min". */
  mode?: "min" | "max";
  /** What the learning rate is multiplied by. Default 0.1. */
  factor?: number;
  /** Measures without improvement that are borne. Default 10. */
  patience?: number;
  /** How much better a measure has to be to count. Default 1e-4. */
  threshold?: number;
  /** Whether the threshold is a share of the best measure or a difference from it. Default "rel". */
  thresholdMode?: "rel" | "abs";
  /** Measures after a reduction that do not count. Default 0. */
  cooldown?: number;
  /** The first group's learning rate falls no lower. Default 0. */
  minLr?: number;
  /** A reduction by less than this is left out. Default 1e-8. */
  eps?: number;
}

/** What a plateau schedule remembers, as plain data. */
export interface PlateauState {
  /** The best measure so far; null before the first. */
  readonly best: number | null;
  readonly badMeasures: number;
  readonly cooldown: number;
}

/**
 * Lowers an optimizer's learning rate where a measure has stopped to improve. Unlike other schedules it depends on more than
 * the step: `state` goes into the checkpoint.
 *
 * @example
 * const plateau = new optim.ReduceLROnPlateau(optimizer, { patience: 5 });
 * plateau.step(validationLoss); // after each epoch
 */
export class ReduceLROnPlateau {
  readonly #optimizer: { lr: number };
  readonly #options: Required<PlateauOptions>;
  #state: PlateauState = { best: null, badMeasures: 0, cooldown: 0 };

  /** @throws TorchError unless factor is in 0 … 1, below 1 */
  constructor(optimizer: { lr: number }, options: PlateauOptions = {}) {
    this.#optimizer = optimizer;
    this.#options = {
      mode: "min",
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      thresholdMode: "rel",
      cooldown: 0,
      minLr: 0,
      eps: 1e-8,
      ...options,
    };
    const { factor } = this.#options;
    if (!(factor >= 0 && factor < 1))
      throw new TorchError(`ReduceLROnPlateau: factor is ${factor}. Choose a number in 0 … 1, below 1.`);
  }

  get state(): PlateauState {
    return this.#state;
  }

  set state(state: PlateauState) {
    this.#state = { ...state };
  }

  /**
   * Takes the next measure; lowers the rate where too many in a row were no better.
   * @returns the learning rate from here on
   */
  step(measure: number): number {
    const { patience, cooldown, factor, minLr, eps } = this.#options;
    const isBetter = this.#isBetter(measure);
    const best = isBetter ? measure : this.#state.best;
    const isCooling = this.#state.cooldown > 0;
    const badMeasures = isBetter || isCooling ? 0 : this.#state.badMeasures + 1;
    this.#state = { best, badMeasures, cooldown: isCooling ? this.#state.cooldown - 1 : 0 };
    if (badMeasures > patience) {
      const lr = Math.max(this.#optimizer.lr * factor, minLr);
      if (this.#optimizer.lr - lr > eps) this.#optimizer.lr = lr;
      this.#state = { best, badMeasures: 0, cooldown };
    }
    return this.#optimizer.lr;
  }

  #isBetter(measure: number): boolean {
    const { best } = this.#state;
    if (best === null) return !Number.isNaN(measure);
    const { mode, threshold, thresholdMode } = this.#options;
    const sign = mode === "min" ? -1 : 1;
    const bar = thresholdMode === "rel" ? best * (1 + sign * threshold) : best + sign * threshold;
    return mode === "min" ? measure < bar : measure > bar;
  }
}
