import type { Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";

/** Losses of a classifier's logits on images that are none of its classes. */

/**
 * Outlier exposure: the cross-entropy between the uniform distribution and the softmax of outliers,
 *
 *   L = mean_k [ LSE_c f_c(u_k) - mean_c f_c(u_k) ],
 *
 * in nats, at least ln C (Hendrycks et al. 2019; OpenOOD's `oe_trainer.py`, which adds 0.5 of it to cross-entropy).
 *
 * @param logits of the outliers, [K, C]
 * @returns a scalar
 * @throws ContrastError for logits that are no matrix, or an empty one
 */
export function outlierExposure(logits: Tensor): Tensor {
  requireLogits(logits, "outlierExposure");
  return logits
    .logsumexp([1])
    .sub(logits.mean([1]))
    .mean();
}

export interface EnergyMarginOptions {
  /** m_in: photos of known classes are pushed below it. Default -7. */
  readonly inside?: number;
  /** m_out: outliers are pushed above it. Default -4. */
  readonly outside?: number;
}

/**
 * Energy margins: with E(x) = -LSE_c f_c(x),
 *
 *   L = mean_i max(0, E(x_i) - m_in)^2 + mean_k max(0, m_out - E(u_k))^2
 *
 * (Liu et al. 2020, equations 7 to 9, at temperature 1; they add 0.1 of it to cross-entropy). Photos get an energy
 * below m_in, outliers one above m_out.
 *
 * The margins depend on the data: the authors place them a little beside the mean energies that a classifier trained
 * without them gives known images and outliers, because margins far away bend it out of shape (wetliu/energy_ood #13,
 * #21). Theirs of -23 and -5 are of wide networks on CIFAR; ResNet-10 on the demo's eight classes gives -5.0 (120
 * steps) and -5.8 (600 steps) on validation photos, which the defaults lie beside.
 *
 * @param known logits of photos of known classes, [N, C]
 * @param outliers logits of outliers, [K, C]
 * @returns a scalar
 * @throws ContrastError for logits that are no matrix or an empty one, and where m_in is not below m_out
 */
export function energyMargin(
  known: Tensor,
  outliers: Tensor,
  { inside = -7, outside = -4 }: EnergyMarginOptions = {},
): Tensor {
  requireLogits(known, "energyMargin");
  requireLogits(outliers, "energyMargin");
  if (!(inside < outside)) {
    throw new ContrastError(
      `energyMargin got the margins ${inside} (inside) and ${outside} (outside); known images must have the lower energy. Set inside below outside, such as -7 and -4.`,
    );
  }
  const tooHigh = known.logsumexp([1]).neg().sub(inside).relu().square().mean();
  const tooLow = outliers.logsumexp([1]).add(outside).relu().square().mean();
  return tooHigh.add(tooLow);
}

/**
 * The least energy-margin loss of a network that tells nothing apart: all energies in the middle between the margins,
 * 2 ((m_out - m_in) / 2)^2.
 */
export function energyMarginPlateau({ inside = -7, outside = -4 }: EnergyMarginOptions = {}): number {
  return (outside - inside) ** 2 / 2;
}

function requireLogits(logits: Tensor, name: string): void {
  const [rows = 0, classes = 0] = logits.shape;
  if (logits.ndim === 2 && rows > 0 && classes > 0) return;
  throw new ContrastError(
    `${name} got logits of shape [${logits.shape}]. Pass [images, classes], with at least one image.`,
  );
}
