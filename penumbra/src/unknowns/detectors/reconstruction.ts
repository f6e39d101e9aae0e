import { z } from "zod";
import { defineDetector, requireOption, tensorOf } from "./detector.ts";
import { rowsOfPixels } from "./flat-pixels.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

export interface ReconstructionOptions {
  /** Share of the training images' variance that the code keeps, 0 … 1 exclusive. Default 0.9. */
  readonly share?: number;
}

/**
 * Reconstruction error of an autoencoder of the pixels: -mean_p (x_p - g(f(x))_p)^2. The autoencoder is the linear one,
 * whose optimum are the principal components of the training images (Baldi and Hornik 1989); it needs no training, and
 * few-shot sets are too small for a deeper one. Looks at no classifier and no encoder: the baseline for both.
 */
export const reconstruction = defineDetector({
  title: "Reconstruction error",
  description: "How badly a linear autoencoder of the training photos draws an image (principal components)",
  needs: ["pixels"],
  fitsOn: "train",
  tuning: everyCombination<ReconstructionOptions>({
    share: candidatesFor(
      z.number().gt(0).lt(1),
      "Candidates for the share of the training photos' variance that the code keeps",
      [0.9, 0.7, 0.98],
    ),
  }),
  learn: (given, { share = 0.9 }: ReconstructionOptions) => {
    requireOption("Reconstruction error", "share", share, share > 0 && share < 1, "above 0 and below 1");
    const rows = rowsOfPixels(given); // [N, D]
    const mean = rows.mean([0]);
    const centred = rows.sub(mean);
    const [images, values] = rows.shape as [number, number];
    // X X' and X' X have the same spectrum: the smaller one is decomposed.
    const isWide = images <= values;
    const square = isWide ? centred.matmul(centred.t()) : centred.t().matmul(centred);
    const [variances, vectors] = square.linalgEigh(); // smallest first
    const components = componentsFor(variances.toNumbers(), share);
    const count = variances.shape[0] as number;
    const own = vectors.narrow(1, count - components, components);
    const lengths = variances.narrow(0, count - components, components).sqrt();
    const directions = isWide ? centred.t().matmul(own).div(lengths) : own; // [D, components]
    return { numbers: { components }, tensors: { mean, directions } };
  },
  score: (state, images) => {
    const directions = tensorOf(state, "directions");
    const rest = rowsOfPixels(images).sub(tensorOf(state, "mean"));
    return rest.sub(rest.matmul(directions).matmul(directions.t())).square().mean([1]).neg();
  },
});

/** The least number of largest variances that hold this share of all; 0 where the images are all alike. */
function componentsFor(ascending: readonly number[], share: number): number {
  const variances = ascending.map((value) => Math.max(0, value)).reverse();
  const total = variances.reduce((sum, value) => sum + value, 0);
  let held = 0;
  // Where all images are one, rounding alone has variances.
  if (!(total > 1e-12)) return 0;
  for (const [index, value] of variances.entries()) {
    held += value;
    if (held >= share * total) return index + 1;
  }
  return variances.length;
}
