import { scope, type Tensor, upsampleNearest2d } from "@penumbra/torch";

const PYRAMID_LEVELS = 3;

/**
 * Weights for the pixels of an image: 1 on even areas, `1 + weight` at edges. Renders show small parts on a
 * large even ground; without this, ground and shadow decide the loss and pins stay blurred.
 *
 * The edge strength is the largest distance from the local mean in a 3 x 3 neighbourhood; distances up to 0.1
 * (sensor noise) count as none, from 0.4 on as full.
 *
 * @param images [B, 3, H, W] in -1..1
 * @returns [B, 1, H, W]
 */
export function edgeWeights(images: Tensor, weight: number): Tensor {
  return scope(() => {
    const distance = images.sub(localMean(images)).abs().mean([1], { keepdim: true }); // [B, 1, H, W]
    const spread = distance.maxPool2d([3, 3], { stride: [1, 1], padding: [1, 1] });
    return spread.sub(0.1).div(0.3).clamp({ min: 0, max: 1 }).mul(weight).add(1);
  });
}

/** Mean of the 3 x 3 pixels around that lie in the image. @param images [B, C, H, W] */
export function localMean(images: Tensor): Tensor {
  return images.avgPool2d([3, 3], { stride: [1, 1], padding: [1, 1], countIncludePad: false });
}

/**
 * Mean absolute error plus that of its band-pass parts, all weighted by pixel:
 *
 *     mean(w |d|) + pyramidWeight * sum_k mean(w_k |d_k - up(down(d_k))|),   d_0 = d, d_(k+1) = down(d_k)
 *
 * with d = reconstruction - original, down = 2 x 2 mean and up = repetition (a Laplacian pyramid with box
 * filters; it is linear, so the pyramid of the difference is the difference of the pyramids). The bands keep
 * fine structure from being bought off by smooth areas (Bojanowski et al. 2018 use the same idea, "Lap1").
 *
 * @param difference [B, 3, H, W]
 * @param weights [B, 1, H, W]
 * @returns a scalar
 */
export function reconstructionLoss(difference: Tensor, weights: Tensor, pyramidWeight: number): Tensor {
  let loss = difference.abs().mul(weights).mean();
  if (pyramidWeight === 0) return loss;
  let level = difference;
  let levelWeights = weights;
  for (let k = 0; k < PYRAMID_LEVELS; k++) {
    const [, , height, width] = level.shape;
    const lower = level.avgPool2d([2, 2], { stride: [2, 2] });
    const band = level.sub(upsampleNearest2d(lower, [height!, width!], null));
    loss = loss.add(band.abs().mul(levelWeights).mean().mul(pyramidWeight));
    level = lower;
    levelWeights = levelWeights.avgPool2d([2, 2], { stride: [2, 2] });
  }
  return loss;
}

/**
 * KL divergence of N(mean, exp(logvar)) from N(0, 1), averaged over latent numbers:
 * mean(mean^2 + exp(logvar) - 1 - logvar) / 2 (Kingma and Welling 2014, appendix B).
 */
export function klDivergence(mean: Tensor, logvar: Tensor): Tensor {
  return mean.square().add(logvar.exp()).sub(1).sub(logvar).mean().mul(0.5);
}
