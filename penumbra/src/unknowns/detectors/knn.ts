import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { UnknownsError } from "../errors.ts";
import { type Detector, defineDetector, numberOf, tensorOf } from "./detector.ts";
import { BY_MATRIX_PRODUCT } from "./samples.ts";
import { neighbours } from "./tuning.ts";
import { unitRows } from "./unit-rows.ts";

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
export const knn: Detector<KnnOptions> = defineDetector({
  title: "KNN",
  description: "Distance to the k-th nearest training image (Sun et al. 2022)",
  needs: ["features"],
  fitsOn: "train",
  tuning: neighbours,
  learn: ({ features }, { k = 1, normalize = true }: KnnOptions) => {
    requireNeighbours("KNN", k, features);
    return {
      numbers: { k, normalize: Number(normalize) },
      tensors: { bank: normalize ? unitRows(features) : features },
    };
  },
  score: (state, { features }) => {
    const rows = numberOf(state, "normalize") ? unitRows(features) : features;
    return neighbourDistances(rows, tensorOf(state, "bank"), numberOf(state, "k")).neg();
  },
});

/**
 * Distance of each row to its k-th nearest row of the bank, a chunk of rows at a time: [N, D], [M, D] -> [N]. Through a
 * matrix product: some sixty times as fast, and in float64 it loses nothing that features of float32 had.
 */
export function neighbourDistances(rows: Tensor, bank: Tensor, k: number): Tensor {
  const chunks = rows.split(CHUNK).map((chunk) =>
    scope(() => {
      const all = torch.cdist(chunk, bank, { computeMode: BY_MATRIX_PRODUCT }); // [chunk, M]
      const [nearest] = all.topk(k, { dim: 1, largest: false }); // [chunk, k], nearest first
      return nearest.narrow(1, k - 1, 1).flatten();
    }),
  );
  return torch.cat(chunks);
}

/** @throws UnknownsError unless k is a number of neighbours that the bank has */
export function requireNeighbours(detector: string, k: number, bank: Tensor): void {
  const images = bank.shape[0] as number;
  if (Number.isInteger(k) && k >= 1 && k <= images) return;
  throw new UnknownsError(
    `${detector} got k = ${k} with ${images} training images; k must be a whole number from 1 to ${images}. Set a smaller k.`,
  );
}
