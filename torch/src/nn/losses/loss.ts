import type { Reduction, Tensor } from "../../tensor/index.ts";
import { TorchError } from "../../tensor/index.ts";
import { Module } from "../module.ts";

export interface LossOptions {
  /** Default "mean". */
  reduction?: Reduction;
}

const REDUCTIONS: readonly Reduction[] = ["none", "mean", "sum"];

/** What losses have in common. */
export abstract class Loss<Args extends unknown[] = [input: Tensor, target: Tensor]> extends Module<Args> {
  readonly reduction: Reduction;

  /** @throws TorchError for a reduction of another name */
  constructor(reduction: Reduction = "mean") {
    super();
    if (!REDUCTIONS.includes(reduction)) {
      throw new TorchError(
        `${new.target.name}: there is no reduction "${reduction}". Choose "none", "mean" or "sum".`,
      );
    }
    this.reduction = reduction;
  }

  /** Reduces losses of elements, where no operator does. */
  protected reduced(losses: Tensor): Tensor {
    return reduced(losses, this.reduction);
  }
}

/** The losses of elements, their mean or their sum. */
export function reduced(losses: Tensor, reduction: Reduction): Tensor {
  if (reduction === "none") return losses;
  return reduction === "mean" ? losses.mean() : losses.sum();
}
