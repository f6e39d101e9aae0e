import { defineDetector, numberOf, tensorOf } from "./detector.ts";
import { neighbourDistances, requireNeighbours } from "./knn.ts";
import { joined, lastStages, type StagesOptions, takeLast } from "./stages.ts";
import { neighbours, type Tuning } from "./tuning.ts";

export interface MultiLayerKnnOptions extends StagesOptions {
  /** Which neighbour's distance counts. Default 1. */
  readonly k?: number;
}

const tuning: Tuning<MultiLayerKnnOptions> = {
  settings: neighbours.settings.extend({ last: lastStages }),
  candidates(settings, trainImages) {
    const { last, ...others } = this.settings.parse(settings) as { k: number[]; last: number[] };
    return last.flatMap((count) =>
      neighbours.candidates(others, trainImages).map((options) => ({ ...options, last: count })),
    );
  },
};

/**
 * KNN on several stages of the encoder at once: the distance to the k-th nearest training image where an image is the
 * features of its stages side by side, each of length 1. Its square is the sum of the stages' squared distances.
 */
export const multiLayerKnn = defineDetector({
  title: "Multi-layer KNN",
  description: "Distance to the k-th nearest training image in the features of several stages",
  needs: ["stages"],
  fitsOn: "train",
  tuning,
  learn: ({ stages }, { k = 1, last = stages.length }: MultiLayerKnnOptions) => {
    const bank = joined(takeLast(stages, last));
    requireNeighbours("Multi-layer KNN", k, bank);
    return { numbers: { k, last }, tensors: { bank } };
  },
  score: (state, { stages }) => {
    const rows = joined(takeLast(stages, numberOf(state, "last")));
    return neighbourDistances(rows, tensorOf(state, "bank"), numberOf(state, "k")).neg();
  },
});
