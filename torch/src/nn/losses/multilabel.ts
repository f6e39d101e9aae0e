import type { Tensor } from "../../tensor/index.ts";
import { buffer } from "../parameter.ts";
import { Loss, type LossOptions, reduced } from "./loss.ts";

export interface MultiLabelOptions extends LossOptions {
  /** [C]: how much each class counts. Default all alike. */
  weight?: Tensor | null;
}

/**
 * -(y log σ(x) + (1 - y) log σ(-x)), the mean over the classes.
 * @param input [B, C] @param target [B, C] of zeros and ones
 */
export function multilabelSoftMarginLoss(
  input: Tensor,
  target: Tensor,
  { weight = null, reduction = "mean" }: MultiLabelOptions = {},
): Tensor {
  const hits = target.mul(input.logSigmoid());
  const misses = target.neg().add(1).mul(input.neg().logSigmoid());
  const losses = hits.add(misses).neg();
  return reduced((weight ? losses.mul(weight) : losses).mean([-1]), reduction);
}

/** The mean over the classes of BCEWithLogitsLoss, for several classes at once. */
export class MultiLabelSoftMarginLoss extends Loss {
  readonly weight: Tensor | null;

  constructor({ weight = null, reduction }: MultiLabelOptions = {}) {
    super(reduction);
    this.weight = weight ? buffer(weight) : null;
  }

  /** @param input [B, C] @param target [B, C] of zeros and ones */
  forward(input: Tensor, target: Tensor): Tensor {
    return multilabelSoftMarginLoss(input, target, { weight: this.weight, reduction: this.reduction });
  }
}
