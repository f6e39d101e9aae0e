import { defineDetector, tensorOf } from "./detector.ts";
import { nearestMean, type ShrinkageOptions, sharedGaussians } from "./gaussians.ts";

/**
 * Negative squared Mahalanobis distance to the nearest class mean, max_c -(h - mu_c)' S^-1 (h - mu_c) (Lee et al.
 * 2018, eq. 2), with one covariance for all classes, shrunk ({@link fitGaussians}). Looks at the encoder alone.
 */
export const mahalanobis = defineDetector({
  title: "Mahalanobis",
  description: "Distance to the nearest class mean under one shrunk covariance (Lee et al. 2018)",
  needs: ["features"],
  fitsOn: "train",
  tuning: null,
  learn: (known, options: ShrinkageOptions) => {
    const { means, factor, share } = sharedGaussians(known, "features", known.features, options);
    return { numbers: { shrinkage: share }, tensors: { means, factor } };
  },
  score: (state, { features }) =>
    nearestMean(features, tensorOf(state, "means"), tensorOf(state, "factor")).neg(),
});
