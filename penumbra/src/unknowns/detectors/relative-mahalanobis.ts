import { z } from "zod";
import { defineDetector, numberOf, tensorOf } from "./detector.ts";
import { fitGaussians, nearestMean, type ShrinkageOptions, sharedGaussians } from "./gaussians.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";
import { unitRows } from "./unit-rows.ts";

export interface RelativeMahalanobisOptions extends ShrinkageOptions {
  /** Scales features to length 1 first, as Mahalanobis++ does. Default false, the published detector. */
  readonly normalize?: boolean;
}

/**
 * Relative Mahalanobis: max_c -(d_c(h) - d_0(h)), d_c the squared distance of {@link mahalanobis} and d_0 that under
 * one Gaussian of all training images (Ren et al. 2021, eq. 2): what every image has in common cancels. The second
 * covariance is shrunk by a share of its own.
 */
export const relativeMahalanobis = defineDetector({
  title: "Relative Mahalanobis",
  description: "Mahalanobis distance less that to all training images together (Ren et al. 2021)",
  needs: ["features"],
  fitsOn: "train",
  tuning: everyCombination<RelativeMahalanobisOptions>({
    normalize: candidatesFor(z.boolean(), "Candidates: whether features are scaled to length 1 first", [
      false,
      true,
    ]),
  }),
  learn: (known, { normalize = false, ...options }: RelativeMahalanobisOptions) => {
    const { features, labels } = known;
    const rows = normalize ? unitRows(features) : features;
    const classes = sharedGaussians(known, normalize ? "unit features" : "features", rows, options);
    const asOne = labels(features.shape[0] as number).map(() => 0);
    const all = fitGaussians(rows, asOne, options);
    return {
      numbers: { shrinkage: classes.share, backgroundShrinkage: all.share, normalize: Number(normalize) },
      tensors: {
        means: classes.means,
        factor: classes.factor,
        backgroundMean: all.means,
        backgroundFactor: all.factor,
      },
    };
  },
  score: (state, { features }) => {
    const rows = numberOf(state, "normalize") ? unitRows(features) : features;
    const own = nearestMean(rows, tensorOf(state, "means"), tensorOf(state, "factor"));
    const background = nearestMean(
      rows,
      tensorOf(state, "backgroundMean"),
      tensorOf(state, "backgroundFactor"),
    );
    return background.sub(own);
  },
});
