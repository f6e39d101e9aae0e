import type { Tensor } from "../../tensor/index.ts";
import { TorchError } from "../../tensor/index.ts";
import { Module } from "../module.ts";

/** What is made of the losses of all elements: their mean, their sum, or nothing. */
export type Reduction = "none" | "mean" | "sum";

export interface LossOptions {
  /** Default "mean". */
  reduction?: Reduction;
}

/** ATen's numbers for the reductions. */
const NUMBERS: Readonly<Record<Reduction, number>> = { none: 0, mean: 1, sum: 2 };

/** What losses have in common. */
export abstract class Loss<Args extends unknown[] = [input: Tensor, target: Tensor]> extends Module<Args> {
  readonly reduction: Reduction;

  /** @throws TorchError for a reduction of another name */
  constructor(reduction: Reduction = "mean") {
    super();
    if (!Object.hasOwn(NUMBERS, reduction)) {
      throw new TorchError(
        `${new.target.name}: there is no reduction "${reduction}". Choose "none", "mean" or "sum".`,
      );
    }
    this.reduction = reduction;
  }

  /** The reduction as operators take it. */
  protected get reductionNumber(): number {
    return NUMBERS[this.reduction];
  }

  /** Reduces losses of elements, where no operator does. */
  protected reduced(losses: Tensor): Tensor {
    if (this.reduction === "none") return losses;
    return this.reduction === "mean" ? losses.mean() : losses.sum();
  }
}
