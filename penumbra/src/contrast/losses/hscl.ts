import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import { memoryColumns, requireColumns } from "./columns.ts";
import { EXCLUDED, requireContrast, rowsOf, sameLabels } from "./contrast-rows.ts";

export interface HsclOptions {
  /** Class of each image, [B]. */
  readonly labels: readonly number[] | Tensor;
  /** tau, above 0. Default 0.5, which the reference implementation has written into it. */
  readonly temperature?: number;
  /** beta, 0 or more: how much the nearer negatives count; 0 = all alike. Default 0.5, as there. */
  readonly hardness?: number;
  /**
   * Q, how many negatives their mean stands for. Default M - 2, as there: all rows but the anchor and its positive; and
   * all that are remembered.
   */
  readonly negativeCount?: number;
  /** Unit rows [R, D] of earlier steps, further negatives; no gradient reaches them. */
  readonly memory?: Tensor | null;
  /** bool [B, R]: true where remembered row r is a negative of image i (all its views). Default: everywhere. {@link otherClassMask} */
  readonly memoryMask?: Tensor | null;
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
  requireColumns("hardSupCon", features, "memory", options.memory, options.memoryMask);
  const past = memoryColumns(rows, features.shape[1] as number, temperature, options); // [M, R] or null
  const { negativeCount = count - 2 + (past?.shape[1] ?? 0) } = options;
  const isSelf = torch.eye(count, { dtype: "bool", device: rows.device }); // [M, M]
  const isAlike = sameLabels(labels, features); // [M, M]
  const pairs = isAlike.logicalAnd(isSelf.logicalNot()).to(rows.dtype); // [M, M]
  const similar = rows.matmul(rows.t()).div(temperature); // [M, M]
  const ofOthers = similar.maskedFill(isAlike, EXCLUDED);
  const negatives = past ? torch.cat([ofOthers, past], { dim: 1 }) : ofOthers; // [M, M + R]
  const isHidden = negatives.lt(EXCLUDED / 2);
  const tilted = (detachWeights ? negatives.detach() : negatives).mul(hardness);
  const overNegatives = (values: Tensor) =>
    values.maskedFill(isHidden, EXCLUDED).logsumexp([1], { keepdim: true });
  const isAlone = isHidden.all(1, { keepdim: true }); // [M, 1]: nothing is negative
  const logNegatives = overNegatives(negatives.add(tilted))
    .sub(overNegatives(tilted))
    .add(Math.log(negativeCount))
    .maskedFill(isAlone, EXCLUDED); // ln(Q E_i), [M, 1]
  return logNegatives.sub(similar).softplus().mul(pairs).sum().div(pairs.sum().clampMin(1));
}
