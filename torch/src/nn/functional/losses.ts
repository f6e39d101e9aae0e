import type { Tensor } from "../../tensor/index.ts";
import { KLDivLoss, type LossOptions } from "../losses/index.ts";
import { TripletMarginWithDistanceLoss } from "../losses/margins.ts";
import { GaussianNLLLoss, PoissonNLLLoss } from "../losses/regression.ts";

/** The options of a loss' class. */
type OptionsOf<Loss extends abstract new (...args: never[]) => unknown> = NonNullable<
  ConstructorParameters<Loss>[0]
>;

/**
 * nn.KLDivLoss as a function: the divergence of a target from log-probabilities.
 * @param options.reduction "batchmean" divides the sum by the batch's size; default "mean"
 */
export const klDiv = (
  input: Tensor,
  target: Tensor,
  options: { reduction?: LossOptions["reduction"] | "batchmean"; logTarget?: boolean } = {},
): Tensor => new KLDivLoss(options).forward(input, target);

/** nn.GaussianNLLLoss as a function. */
export const gaussianNllLoss = (
  input: Tensor,
  target: Tensor,
  variance: Tensor,
  options: OptionsOf<typeof GaussianNLLLoss> = {},
): Tensor => new GaussianNLLLoss(options).forward(input, target, variance);

/** nn.PoissonNLLLoss as a function. */
export const poissonNllLoss = (
  input: Tensor,
  target: Tensor,
  options: OptionsOf<typeof PoissonNLLLoss> = {},
): Tensor => new PoissonNLLLoss(options).forward(input, target);

/** nn.TripletMarginWithDistanceLoss as a function. */
export const tripletMarginWithDistanceLoss = (
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: OptionsOf<typeof TripletMarginWithDistanceLoss> = {},
): Tensor => new TripletMarginWithDistanceLoss(options).forward(anchor, positive, negative);
