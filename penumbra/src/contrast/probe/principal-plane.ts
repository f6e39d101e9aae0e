import { scope, type Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";

/** The plane in which features differ most. */
export interface PrincipalPlane {
  /** [D]. */
  readonly mean: Tensor;
  /** Two orthonormal columns, [D, 2]. */
  readonly directions: Tensor;
  /** Share of the variance along each direction. */
  readonly explained: readonly [number, number];
}

/**
 * The first two principal components of features (Pearson 1901): eigenvectors of the covariance with the largest
 * eigenvalues. The sign of each is that of its largest entry, so that a map does not turn over between runs.
 *
 * @param features [N, D]
 * @throws ContrastError for fewer than two images or dimensions
 */
export function principalPlane(features: Tensor): PrincipalPlane {
  const [rows, dimensions] = features.shape as [number, number];
  if (features.ndim !== 2 || rows < 2 || dimensions < 2) {
    throw new ContrastError(
      `A plane needs features of at least 2 images in 2 dimensions; got [${features.shape}]. Pass more images.`,
    );
  }
  return scope(() => {
    const exact = features.detach().to({ device: "cpu", dtype: "float64" });
    const mean = exact.mean([0]);
    const centred = exact.sub(mean);
    const [values, vectors] = centred.t().matmul(centred).div(rows).linalgEigh(); // smallest first
    const largest = vectors.narrow(1, dimensions - 2, 2).flip([1]); // [D, 2]
    const places = largest.abs().argmax({ dim: 0, keepdim: true }); // [1, 2]
    const variances = values.clampMin(0).toNumbers().slice(-2).reverse();
    const total = values.clampMin(0).sum().item();
    const share = (index: number) => (total === 0 ? 0 : (variances[index] as number) / total);
    return {
      mean,
      directions: largest.mul(largest.gather(0, places).sign()),
      explained: [share(0), share(1)] as const,
    };
  });
}

/** Where features lie in the plane, [N, D] -> [N, 2]. */
export function project({ mean, directions }: PrincipalPlane, features: Tensor): Tensor {
  return features.detach().to({ device: "cpu", dtype: "float64" }).sub(mean).matmul(directions);
}
