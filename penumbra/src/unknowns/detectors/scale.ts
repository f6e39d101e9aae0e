import { z } from "zod";
import { energyBy } from "./classifier.ts";
import { defineDetector, numberOf, requireOption } from "./detector.ts";
import { activationScale, largestActivations } from "./largest-activations.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

export interface ScaleOptions {
  /** Share of an image's features that are not among the largest, in percent below 100. Default 85. */
  readonly percentile?: number;
}

/**
 * SCALE: the energy of h exp(s1 / s2), s1 the sum of all features of an image and s2 that of its largest (Xu et al.
 * 2024, "Scaling for training time and post-hoc out-of-distribution detection enhancement", eq. 6).
 */
export const scale = defineDetector({
  title: "SCALE",
  description: "Energy of features scaled by how much their largest are of all (Xu et al. 2024)",
  needs: ["features", "classifier"],
  fitsOn: "nothing",
  tuning: everyCombination<ScaleOptions>({
    percentile: candidatesFor(
      z.number().min(0).lt(100),
      "Candidates for the share of features that are not among the largest, in percent",
      [85, 65, 95],
    ),
  }),
  learn: (_, { percentile = 85 }: ScaleOptions) => {
    requireOption("SCALE", "percentile", percentile, percentile >= 0 && percentile < 100, "0 to below 100");
    return { numbers: { percentile }, tensors: {} };
  },
  score: (state, { features, classifier }) =>
    energyBy(
      classifier,
      features.mul(activationScale(largestActivations(features, numberOf(state, "percentile")))),
    ),
});
