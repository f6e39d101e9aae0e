import { scope, type Tensor } from "@penumbra/torch";
import { checkedPair } from "./features.ts";

/**
 * Fréchet distance of the Gaussians fitted to two sets of features (Heusel et al. 2017): |m1 - m2|^2 + tr(S1 + S2 - 2
 * (S1 S2)^(1/2)), sample covariances (n - 1). The published FID takes the features of Inception v3 and 50,000 images; with
 * other features, or fewer images, values compare with each other only. It is biased: smaller sets are farther.
 *
 * @param real float [N, D] @param fake float [M, D], both with 2 rows or more
 * @returns 0 for equal means and covariances, upwards without limit
 * @throws QualityError for shapes that do not fit, too few images, or features that are no numbers
 */
export function fid(real: Tensor, fake: Tensor): number {
  return scope(() => {
    const [a, b] = checkedPair(real, fake, 2).map(gaussianOf) as [Gaussian, Gaussian];
    const distance = a.mean.sub(b.mean).square().sum().item();
    // tr (S1 S2)^(1/2) = tr (S1^(1/2) S2 S1^(1/2))^(1/2), whose matrix is symmetric.
    const root = squareRoot(a.covariance);
    const product = root.matmul(b.covariance).matmul(root);
    const symmetric = product.add(product.T).div(2);
    const values = symmetric.linalgEigvalsh().clamp({ min: 0 });
    const traces = a.covariance.trace().add(b.covariance.trace()).item();
    return Math.max(0, distance + traces - 2 * values.sqrt().sum().item());
  });
}

interface Gaussian {
  /** [D] */
  readonly mean: Tensor;
  /** [D, D] */
  readonly covariance: Tensor;
}

function gaussianOf(features: Tensor): Gaussian {
  const mean = features.mean([0]);
  const centred = features.sub(mean);
  return { mean, covariance: centred.T.matmul(centred).div((features.shape[0] as number) - 1) };
}

/** Of a symmetric matrix without negative eigenvalues but for rounding. */
function squareRoot(matrix: Tensor): Tensor {
  const [values, vectors] = matrix.linalgEigh();
  return vectors.mul(values.clamp({ min: 0 }).sqrt()).matmul(vectors.T);
}
