import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { UnknownsError } from "../errors.ts";
import type { KnownImages } from "./detector.ts";
import { WITHOUT_MATRIX_PRODUCT } from "./samples.ts";
import type { Sharing } from "./shared.ts";

export interface ShrinkageOptions {
  /**
   * How far the tied covariance is drawn towards a multiple of the identity: a share 0 … 1, or "ledoit-wolf", which
   * computes the share from the data. 0 is the published detector; it needs more images than dimensions, which
   * few-shot sets do not have. Default "ledoit-wolf".
   */
  readonly shrinkage?: number | "ledoit-wolf";
}

/** Gaussians with means of their own and one covariance, S = L L'. */
export interface Gaussians {
  /** [C, D]. */
  readonly means: Tensor;
  /** L, lower triangular, [D, D]. */
  readonly factor: Tensor;
  /** The share of the identity in S. */
  readonly share: number;
}

/**
 * {@link fitGaussians}, once for all detectors that look at the same rows.
 * @param rows says which these are of the images: "features", "unit features", …
 */
export function sharedGaussians(
  { once, labels }: Sharing & KnownImages,
  rows: string,
  features: Tensor,
  options: ShrinkageOptions,
): Gaussians {
  const { shrinkage = "ledoit-wolf" } = options;
  const known = labels(features.shape[0] as number);
  return once(`Gaussians of the classes' ${rows}, shrinkage ${shrinkage}`, () =>
    fitGaussians(features, known, options),
  );
}

/** Mean of each class that occurs, and the images without the mean of theirs. */
export function classMeans(
  features: Tensor,
  labels: readonly number[],
): { readonly means: Tensor; readonly centred: Tensor; readonly classes: readonly number[] } {
  const classes = [...new Set(labels)].sort((a, b) => a - b);
  const column = torch.tensor(labels.map((label) => classes.indexOf(label))).unsqueeze(1); // [N, 1]
  const belongs = column
    .eq(torch.arange(classes.length).unsqueeze(0))
    .to({ dtype: "float64", device: features.device }); // [N, C]
  const means = belongs
    .t()
    .matmul(features)
    .div(belongs.sum([0]).unsqueeze(1)); // [C, D]
  return { means, centred: features.sub(belongs.matmul(means)), classes };
}

/**
 * A Gaussian for each class with one covariance, S = 1/N sum_i (h_i - mu_yi)(h_i - mu_yi)', shrunk to
 * (1 - g) S + g tr(S)/D I.
 *
 * With one image a class S is 0 and g is 1: the identity takes its place, because no multiple of it changes a rank.
 *
 * @param features h, [N, D] in float64
 * @throws UnknownsError for a shrinkage out of its range, and where S cannot be inverted
 */
export function fitGaussians(
  features: Tensor,
  labels: readonly number[],
  { shrinkage = "ledoit-wolf" }: ShrinkageOptions,
): Gaussians {
  if (shrinkage !== "ledoit-wolf" && !(shrinkage >= 0 && shrinkage <= 1)) {
    throw new UnknownsError(
      `Mahalanobis got the shrinkage ${shrinkage}; it must be 0 to 1 or "ledoit-wolf". Take "ledoit-wolf" when in doubt.`,
    );
  }
  return scope(() => {
    const [rows, dimensions] = features.shape as [number, number];
    const { means, centred, classes } = classMeans(features, labels);
    const share = shrinkage === "ledoit-wolf" ? ledoitWolfShrinkage(centred) : shrinkage;
    const covariance = centred.t().matmul(centred).div(rows); // [D, D]
    const spread = covariance.trace().item() / dimensions;
    const scale = spread === 0 && share > 0 ? 1 : spread;
    const shrunk = covariance
      .mul(1 - share)
      .add(torch.eye(dimensions, { dtype: "float64", device: features.device }).mul(share * scale));
    const [factor, failedAt] = shrunk.linalgCholeskyEx(); // S = L L'
    const smallest = factor.diagonal().abs().amin().item();
    // Rounding lets a singular covariance pass the factorisation with a tiny pivot; its inverse is noise.
    if (failedAt.item() !== 0 || !(smallest > 1e-7 * Math.sqrt(scale))) {
      throw new UnknownsError(
        `The covariance of ${rows} features in ${dimensions} dimensions with ${classes.length} classes cannot be inverted` +
          ` (shrinkage ${share}). Set shrinkage to "ledoit-wolf" or above 0, or fit on more images.`,
      );
    }
    return { means, factor, share };
  });
}

/**
 * The share g of Ledoit and Wolf 2004 ("A well-conditioned estimator for large-dimensional covariance matrices"),
 * which minimises the expected squared error of (1 - g) S + g tr(S)/D I:
 *
 *   g = min(b, d) / d,   d = |S - mI|^2,   b = 1/N^2 sum_i |x_i x_i' - S|^2,   m = tr(S)/D
 *
 * @param centred [N, D] rows with mean 0 (within each class)
 * @returns a share 0 … 1
 */
export function ledoitWolfShrinkage(centred: Tensor): number {
  return scope(() => {
    const [rows, dimensions] = centred.shape as [number, number];
    const covariance = centred.t().matmul(centred).div(rows); // [D, D]
    const mean = covariance.trace().item() / dimensions;
    const squaredNorm = covariance.square().sum().item(); // |S|^2
    const spread = squaredNorm - dimensions * mean ** 2; // |S - mI|^2 = |S|^2 - D m^2
    const fourth = centred.square().sum([1]).square().sum().item(); // sum_i |x_i|^4
    const error = (fourth / rows - squaredNorm) / rows; // sum_i |x_i x_i' - S|^2 = sum_i |x_i|^4 - N |S|^2
    return spread <= 0 ? 1 : Math.min(1, Math.max(0, error / spread));
  });
}

/** Squared distance of each row to the nearest mean: |L^-1 h - L^-1 mu_c|^2, the smallest over c, [N]. */
export function nearestMean(features: Tensor, means: Tensor, factor: Tensor): Tensor {
  return scope(() => {
    const whiten = (rows: Tensor) => factor.linalgSolveTriangular(rows.t(), { upper: false }).t(); // [rows, D]
    const distances = torch.cdist(whiten(features), whiten(means), { computeMode: WITHOUT_MATRIX_PRODUCT }); // [N, C]
    return distances.amin({ dim: [1] }).square();
  });
}

/**
 * Nats per dimension of the classes' common spread: H / D, H = -sum_i p_i ln p_i, p the eigenvalues of their covariance,
 * shrunk as Ledoit and Wolf do and at least 1e-8, as shares of their sum (as the code of MM++ has it, arXiv 2606.17352):
 * low where a few directions hold all of it.
 *
 * @param features [N, D] in float64
 */
export function entropyDensity(features: Tensor, labels: readonly number[]): number {
  return scope(() => {
    const [rows, dimensions] = features.shape as [number, number];
    const { centred } = classMeans(features, labels);
    const share = ledoitWolfShrinkage(centred);
    // The smaller of the two matrices has the same eigenvalues but for zeros.
    const product = rows < dimensions ? centred.matmul(centred.t()) : centred.t().matmul(centred);
    const found = product.div(rows).linalgEigvalsh().clampMin(0).toNumbers();
    const mean = found.reduce((sum, value) => sum + value, 0) / dimensions;
    const values = Array.from({ length: dimensions }, (_, i) =>
      Math.max(1e-8, (1 - share) * (found.at(-1 - i) ?? 0) + share * mean),
    );
    const total = values.reduce((sum, value) => sum + value, 0);
    return -values.reduce((sum, value) => sum + (value / total) * Math.log(value / total), 0) / dimensions;
  });
}
