import { z } from "zod";
import { UnknownsError } from "../errors.ts";
import { defineDetector, numberOf, tensorOf } from "./detector.ts";
import { fitGaussians, nearestMean, type ShrinkageOptions } from "./gaussians.ts";
import { joined, lastStages, type StagesOptions, takeLast } from "./stages.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

export interface MultiLayerMahalanobisOptions extends StagesOptions, ShrinkageOptions {
  /**
   * "joint": one covariance of all stages, each of length 1, so that what they say together counts (MM++,
   * arXiv 2606.17352, without its choice of layers by entropy). "per-layer": the sum of the stages' distances (Lee et
   * al. 2018, section 2.2). Default "joint".
   */
  readonly fusion?: (typeof FUSIONS)[number];
  /** Of "per-layer": the weight of each counted stage, first to last. Default 1 each. */
  readonly weights?: readonly number[];
}

const FUSIONS = ["joint", "per-layer"] as const;

/** Mahalanobis distance over several stages of the encoder, by one shrunk covariance of them all or layer by layer. */
export const multiLayerMahalanobis = defineDetector({
  title: "Multi-layer Mahalanobis",
  description: "Mahalanobis distance over the features of several stages, with one covariance or one each",
  needs: ["stages"],
  fitsOn: "train",
  tuning: everyCombination<MultiLayerMahalanobisOptions>({
    fusion: candidatesFor(
      z.enum(FUSIONS),
      "Candidates: one covariance of all stages, or the sum of the stages' distances",
      ["joint", "per-layer"],
    ),
    last: lastStages,
  }),
  learn: ({ stages, labels }, options: MultiLayerMahalanobisOptions) => {
    const { fusion = "joint", last = stages.length, weights, ...shrinkage } = options;
    const counted = takeLast(stages, last);
    const rows = fusion === "joint" ? [joined(counted)] : counted;
    const scales = weights ?? rows.map(() => 1);
    if (scales.length !== rows.length) {
      throw new UnknownsError(
        `Multi-layer Mahalanobis got ${scales.length} weights for ${rows.length} layers (fusion "${fusion}"). Pass one a layer.`,
      );
    }
    const known = labels(stages[0]?.shape[0] as number);
    const layers = rows.map((layer, index) => [index, fitGaussians(layer, known, shrinkage)] as const);
    return {
      numbers: {
        ...{ last, isJoint: Number(fusion === "joint") },
        ...Object.fromEntries(layers.map(([index, { share }]) => [`shrinkage${index}`, share])),
        ...Object.fromEntries(scales.map((weight, index) => [`weight${index}`, weight])),
      },
      tensors: Object.fromEntries(
        layers.flatMap(([index, { means, factor }]) => [
          [`means${index}`, means],
          [`factor${index}`, factor],
        ]),
      ),
    };
  },
  score: (state, { stages }) => {
    const counted = takeLast(stages, numberOf(state, "last"));
    const rows = numberOf(state, "isJoint") ? [joined(counted)] : counted;
    return rows
      .map((layer, index) =>
        nearestMean(layer, tensorOf(state, `means${index}`), tensorOf(state, `factor${index}`)).mul(
          numberOf(state, `weight${index}`),
        ),
      )
      .reduce((sum, next) => sum.add(next))
      .neg();
  },
});
