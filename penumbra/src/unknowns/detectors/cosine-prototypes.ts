import { defineDetector, numberOf, tensorOf } from "./detector.ts";
import { classMeans } from "./gaussians.ts";
import { lastStages, type StagesOptions, takeLast } from "./stages.ts";
import { everyCombination } from "./tuning.ts";
import { unitRows } from "./unit-rows.ts";

/**
 * Cosine to the nearest class prototype over several stages of the encoder: max_c 1/S sum_s cos(h_s, mu_sc), mu_sc the
 * mean of the length-1 features of class c's training images after stage s.
 */
export const cosinePrototypes = defineDetector({
  title: "Cosine prototypes",
  description: "Cosine to the nearest class prototype, over several stages of the encoder",
  needs: ["stages"],
  fitsOn: "train",
  tuning: everyCombination<StagesOptions>({ last: lastStages }),
  learn: ({ stages, labels }, { last = stages.length }: StagesOptions) => {
    const counted = takeLast(stages, last);
    const prototypes = counted.map((stage, index) => {
      const { means } = classMeans(unitRows(stage), labels(stage.shape[0] as number));
      return [`prototypes${index}`, unitRows(means)] as const; // [C, D_s]
    });
    return { numbers: { last }, tensors: Object.fromEntries(prototypes) };
  },
  score: (state, { stages }) => {
    const counted = takeLast(stages, numberOf(state, "last"));
    const cosines = counted.map((stage, index) =>
      unitRows(stage).matmul(tensorOf(state, `prototypes${index}`).t()),
    ); // [N, C] each
    return cosines
      .reduce((sum, next) => sum.add(next))
      .div(counted.length)
      .amax({ dim: [1] });
  },
});
