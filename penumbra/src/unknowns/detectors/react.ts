import { z } from "zod";
import { energyBy } from "./classifier.ts";
import { defineDetector, numberOf, requireOption } from "./detector.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

export interface ReactOptions {
  /** Which percentile of all activations of the validation images is the ceiling, 0 … 100. Default 90. */
  readonly percentile?: number;
}

/**
 * ReAct: the energy of features that are cut off at c, LSE(min(h, c) W' + b), c a percentile of all activations of
 * known VALIDATION images (Sun et al. 2021, eq. 2).
 */
export const react = defineDetector({
  title: "ReAct",
  description: "Energy of features without their highest activations (Sun et al. 2021)",
  needs: ["features", "classifier"],
  fitsOn: "validation",
  tuning: everyCombination<ReactOptions>({
    percentile: candidatesFor(
      z.number().min(0).max(100),
      "Candidates for the percentile that is the ceiling",
      [90, 85, 95, 99],
    ),
  }),
  learn: ({ features }, { percentile = 90 }: ReactOptions) => {
    requireOption("ReAct", "percentile", percentile, percentile >= 0 && percentile <= 100, "from 0 to 100");
    const sorted = Float64Array.from(features.toNumbers()).sort();
    const place = (percentile / 100) * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)] as number, sorted[Math.ceil(place)] as number];
    return { numbers: { percentile, ceiling: below + (place % 1) * (above - below) }, tensors: {} };
  },
  score: (state, { features, classifier }) =>
    energyBy(classifier, features.clampMax(numberOf(state, "ceiling"))),
});
