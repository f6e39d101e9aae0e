import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { UnknownsError } from "../errors.ts";
import type { Detector, FittedDetector } from "./detector.ts";
import { featuresOf, type Samples, WITHOUT_MATRIX_PRODUCT } from "./samples.ts";

const CHUNK = 1024;

export interface KnnOptions {
  /** Which neighbour's distance counts. Default 1; OpenOOD has 50 of many thousand, few-shot banks have fewer. */
  readonly k?: number;
  /** Scales features to length 1 first, as Sun et al. 2022 do. Default true; pytorch-ood does not. */
  readonly normalize?: boolean;
}

/**
 * Negative distance to the k-th nearest training image, -| h - h_(k) | (Sun et al. 2022, Euclidean; OpenOOD squares
 * it, which changes no rank). Looks at the encoder alone.
 */
export const knn: Detector<KnnOptions> = {
  title: "KNN",
  description: "Distance to the k-th nearest training image (Sun et al. 2022)",
  needs: "features",
  fitsOn: "train",
  tuning: {
    settings: z.strictObject({
      k: z
        .array(z.int().positive())
        .min(1)
        .meta({
          description:
            "Candidates for the number of neighbours; those above the number of training photos are left out",
        })
        .default([1, 5, 10, 20]),
    }),
    candidates(settings, trainImages) {
      const { k } = this.settings.parse(settings) as { k: number[] };
      const possible = k.filter((count) => count <= trainImages);
      return (possible.length > 0 ? possible : [1]).map((count) => ({ k: count }));
    },
  },
  fit: fitKnn,
};

function fitKnn(known: Samples, { k = 1, normalize = true }: KnnOptions = {}): FittedDetector {
  const prepare = (samples: Samples): Tensor => {
    const features = featuresOf(samples);
    return normalize
      ? features.div(features.linalgVectorNorm({ dim: [1], keepdim: true }).clampMin(1e-12))
      : features;
  };
  const bank = scope(() => prepare(known)).keep(); // [N, D]
  const images = bank.shape[0] as number;
  if (!Number.isInteger(k) || k < 1 || k > images) {
    throw new UnknownsError(
      `KNN got k = ${k} with ${images} training images; k must be a whole number from 1 to ${images}. Set a smaller k.`,
    );
  }
  const distances = (rows: Tensor): number[] =>
    scope(() => {
      const all = torch.cdist(rows, bank, { computeMode: WITHOUT_MATRIX_PRODUCT }); // [chunk, N]
      const [nearest] = all.topk(k, { dim: 1, largest: false }); // [chunk, k], nearest first
      return nearest
        .narrow(1, k - 1, 1)
        .flatten()
        .toNumbers();
    });
  return {
    fitted: { k },
    score: (samples) =>
      scope(() => {
        const chunks = prepare(samples).split(CHUNK);
        return Float64Array.from(chunks.flatMap(distances), (distance) => -distance);
      }),
  };
}
