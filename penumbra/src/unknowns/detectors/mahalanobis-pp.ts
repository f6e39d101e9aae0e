import { defineDetector, tensorOf } from "./detector.ts";
import { nearestMean, type ShrinkageOptions, sharedGaussians } from "./gaussians.ts";
import { unitRows } from "./unit-rows.ts";

/**
 * Mahalanobis++: the distance of {@link mahalanobis} between features of length 1, h / |h| (Müller and Hein 2025,
 * arXiv 2505.18032): the length of a feature says little of its class, and much of its score.
 */
export const mahalanobisPp = defineDetector({
  title: "Mahalanobis++",
  description: "Mahalanobis distance between features of length 1 (Müller and Hein 2025)",
  needs: ["features"],
  fitsOn: "train",
  tuning: null,
  learn: (known, options: ShrinkageOptions) => {
    const rows = unitRows(known.features);
    const { means, factor, share } = sharedGaussians(known, "unit features", rows, options);
    return { numbers: { shrinkage: share }, tensors: { means, factor } };
  },
  score: (state, { features }) =>
    nearestMean(unitRows(features), tensorOf(state, "means"), tensorOf(state, "factor")).neg(),
});
