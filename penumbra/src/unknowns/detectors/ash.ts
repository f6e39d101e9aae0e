import type { Tensor } from "@penumbra/torch";
import { z } from "zod";
import { energyBy } from "./classifier.ts";
import { type Detector, defineDetector, numberOf, requireOption } from "./detector.ts";
import { activationScale, type LargestActivations, largestActivations } from "./largest-activations.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

export interface AshOptions {
  /** Share of an image's features that are removed, the smallest, in percent below 100. Default 90. */
  readonly percentile?: number;
}

/**
 * ASH: the energy of features of which most are removed (Djurisic et al. 2023, "Extremely simple activation shaping",
 * algorithms 1 to 3). The k largest of an image's features stay, and become
 *
 *   P (prune) what they are,   B (binarise) s1 / k each,   S (scale) exp(s1 / s2) times as large,
 *
 * s1 the sum of all its features and s2 that of those that stay.
 */
export const ashP = ash("ASH-P", "as they are", ({ kept }) => kept);
export const ashB = ash("ASH-B", "all made equal", ({ isKept, sum, count }) => isKept.mul(sum.div(count)));
export const ashS = ash("ASH-S", "scaled up", (largest) => largest.kept.mul(activationScale(largest)));

function ash(
  title: string,
  become: string,
  shape: (largest: LargestActivations) => Tensor,
): Detector<AshOptions> {
  return defineDetector({
    title,
    description: `Energy of the largest activations, ${become} (Djurisic et al. 2023)`,
    needs: ["features", "classifier"],
    fitsOn: "nothing",
    tuning: everyCombination<AshOptions>({
      percentile: candidatesFor(
        z.number().min(0).lt(100),
        "Candidates for the share of features that are removed, in percent",
        [90, 65, 80],
      ),
    }),
    learn: (_, { percentile = 90 }: AshOptions) => {
      requireOption(title, "percentile", percentile, percentile >= 0 && percentile < 100, "0 to below 100");
      return { numbers: { percentile }, tensors: {} };
    },
    score: (state, { features, classifier }) =>
      energyBy(classifier, shape(largestActivations(features, numberOf(state, "percentile")))),
  });
}
