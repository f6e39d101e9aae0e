import { z } from "zod";
import { energyBy } from "./classifier.ts";
import { defineDetector, requireOption, tensorOf } from "./detector.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

export interface DiceOptions {
  /** Share of the classifier's weights that are dropped, in percent below 100. Default 90. */
  readonly percentile?: number;
}

/**
 * DICE: the energy by the classifier's weights that contribute most, W_cd with E[h_d] W_cd above a percentile over the
 * training images (Sun and Li 2022, "DICE: Leveraging sparsification for out-of-distribution detection", eq. 4).
 */
export const dice = defineDetector({
  title: "DICE",
  description: "Energy by the classifier's weights that contribute most (Sun and Li 2022)",
  needs: ["features", "classifier"],
  fitsOn: "train",
  tuning: everyCombination<DiceOptions>({
    percentile: candidatesFor(
      z.number().min(0).lt(100),
      "Candidates for the share of weights that are dropped, in percent",
      [90, 50, 70],
    ),
  }),
  learn: ({ features, classifier }, { percentile = 90 }: DiceOptions) => {
    requireOption("DICE", "percentile", percentile, percentile >= 0 && percentile < 100, "0 to below 100");
    const contribution = classifier.weight.mul(features.mean([0])); // [C, D]
    const isKept = contribution.gt(contribution.quantile(percentile / 100));
    return { numbers: { percentile }, tensors: { isKept: isKept.to("float64") } };
  },
  score: (state, { features, classifier: { weight, bias } }) => {
    return energyBy({ weight: weight.mul(tensorOf(state, "isKept")), bias }, features);
  },
});
