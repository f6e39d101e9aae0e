import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import { EXCLUDED, requireContrast, rowsOf, sameLabels } from "./contrast-rows.ts";

export interface HsclOptions {
  /** Class of each image, [B]. */
  readonly labels: readonly number[] | Tensor;
  /** tau, above 0. Default 0.5, which the reference implementation has written into it. */
  readonly temperature?: number;
  /** beta, 0 or more: how much the nearer negatives count; 0 = all alike. Default 0.5, as there. */
  readonly hardness?: number;
  /** Q, how many negatives their mean stands for. Default M - 2, as there: all rows but the anchor and its positive. */
  readonly negativeCount?: number;
  /** No gradient flows through the importance weights. Default false, as in the reference's `gradient_imp`. */
  readonly detachWeights?: boolean;
}

/**
 * Supervised contrastive loss with hard negatives, the mean over all pairs of an anchor i and a positive p:
 *
 *   L_ip = -ln( e^{s_ip/tau} / ( e^{s_ip/tau} + Q E_i ) )
 *   E_i  = sum_{k in N(i)} w_ik e^{s_ik/tau} / sum_{k in N(i)} w_ik,   w_ik = e^{beta s_ik/tau}
 *
 * (Jiang et al. 2022, H-SCL; code of the reference). Unlike in SupCon each pair has its one positive in the denominator,
 * and pairs are averaged, so that large classes weigh more. In log space, since (e^{s/tau})^beta overflows:
 * ln(Q E_i) = ln Q + LSE_k (1 + beta) s_ik/tau - LSE_k beta s_ik/tau. An anchor without negatives costs nothing.
 *
 * @param features [B, V, D] unit rows: V views of B images
 * @returns a scalar; float32, or float64 for float64 features
 * @throws ContrastError when rows are NaN or not of length 1, or shapes and settings do not fit together
 */
export function hardSupCon(features: Tensor, options: HsclOptions): Tensor {
  const { labels, temperature = 0.5, hardness = 0.5, detachWeights = false } = options;
  requireContrast("hardSupCon", features, { labels, temperature });
  if (!(hardness >= 0 && Number.isFinite(hardness))) {
    throw new ContrastError(`hardSupCon got hardness = ${hardness}; it must be a number of 0 or more.`);
  }
  const rows = rowsOf(features); // [M, D]
  const count = rows.shape[0] as number;
  const { negativeCount = count - 2 } = options;
  const isSelf = torch.eye(count, { dtype: "bool", device: rows.device }); // [M, M]
  const isAlike = sameLabels(labels, features); // [M, M]
  const pairs = isAlike.logicalAnd(isSelf.logicalNot()).to(rows.dtype); // [M, M]
  const similar = rows.matmul(rows.t()).div(temperature); // [M, M]
  const tilted = (detachWeights ? similar.detach() : similar).mul(hardness);
  const overNegatives = (values: Tensor) =>
    values.maskedFill(isAlike, EXCLUDED).logsumexp([1], { keepdim: true });
  const isAlone = isAlike.all(1, { keepdim: true }); // [M, 1]: nothing is negative
  const logNegatives = overNegatives(similar.add(tilted))
    .sub(overNegatives(tilted))
    .add(Math.log(negativeCount))
    .maskedFill(isAlone, EXCLUDED); // ln(Q E_i), [M, 1]
  return logNegatives.sub(similar).softplus().mul(pairs).sum().div(pairs.sum().clampMin(1));
}
