import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import { memoryColumns, requireColumns } from "./columns.ts";
import { EXCLUDED, inFullPrecision, requireContrast, rowsOf, samePairs } from "./contrast-rows.ts";

export interface SupConOptions {
  /**
   * Where the mean over an anchor's positives stands: "out"side the logarithm, which pulls every positive, or "in" it,
   * where a near one is enough. Default "out".
   */
  readonly form?: "out" | "in";
  /** Class of each image, [B]. Without labels only the views of one image are positives (SimCLR's NT-Xent). */
  readonly labels?: readonly number[] | Tensor;
  /** tau, above 0. Default 0.1, as SupContrast's README recommends. */
  readonly temperature?: number;
  /** tau_base; scales the loss by tau / tau_base. Default `temperature`: no scaling. SupContrast's class has 0.07. */
  readonly baseTemperature?: number;
  /** "all": every view is an anchor; "one": the first view of each image only. Contrasts are always all views. */
  readonly contrastMode?: "all" | "one";
  /** Unit rows [K, D] that are columns of every denominator and nothing else: never anchors, never positives. */
  readonly negatives?: Tensor | null;
  /** Weight of those columns, lambda, 0 or more. Default 1. */
  readonly negativeWeight?: number;
  /** Tilt, beta, of the importance weights towards the nearer negatives (H-SCL). Default 0: all alike. */
  readonly negativeTilt?: number;
  /** bool [B, K]: true where image i (all its views) has negative k in its denominator. Default: everywhere. */
  readonly negativeMask?: Tensor | null;
  /**
   * Unit rows [Q, D] of earlier steps that are columns of weight 1 of every denominator and nothing else. No gradient
   * reaches them, and neither weight nor tilt.
   */
  readonly memory?: Tensor | null;
  /** bool [B, Q]: true where image i (all its views) sees column q. Default: everywhere. {@link otherClassMask} */
  readonly memoryMask?: Tensor | null;
  /** No gradient reaches the negatives' encoding; they push the anchors only. An ablation. Default false. */
  readonly detachNegatives?: boolean;
  /** No gradient flows through the importance weights. Default false, as in H-SCL's default. */
  readonly detachWeights?: boolean;
}

/**
 * Supervised contrastive loss with negatives-only columns: the mean of {@link supConPerAnchor} over ALL anchors.
 *
 * @param features [B, V, D] unit rows: V views of B images
 * @returns a scalar; float32, or float64 for float64 features
 * @throws ContrastError when rows are NaN or not of length 1, or shapes and settings do not fit together
 * @example
 * const loss = supCon(normalizeRows(head.forward(encoder.forward(views))).reshape([2, -1, 64]).transpose(0, 1), {
 *   labels,
 *   temperature: 0.1,
 *   negatives: normalizeRows(nearOodProjections),
 * });
 */
export function supCon(features: Tensor, options: SupConOptions = {}): Tensor {
  return supConPerAnchor(features, options).mean();
}

/**
 * Supervised contrastive loss of every anchor.
 *
 *   L_i = -(tau / tau_base) 1/|P(i)| sum_{p in P(i)} [ s_ip/tau - ln( sum_{a in A(i)} e^{s_ia/tau}
 *                                                                  + lambda sum_k omega_ik e^{z_i.u_k/tau}
 *                                                                  + sum_q e^{z_i.m_q/tau} ) ]
 *   omega_ik = K_i e^{beta z_i.u_k/tau} / sum_l e^{beta z_i.u_l/tau}    (mean 1 over the K_i columns that i sees)
 *
 * Khosla et al. 2020, eq. 2 (L_out), with the form "in" their eq. 3 (L_in):
 *
 *   L_i = -(tau / tau_base) ln( 1/|P(i)| sum_{p in P(i)} e^{s_ip/tau} / (the same denominator) )
 *
 * which is never above L_out. m_q are remembered projections, those that i sees. The columns u_k as in PASCL (Wang et al. 2022), their weights as in H-SCL (Jiang
 * et al. 2022). A(i) = all other rows, P(i) = those of the same class. Computed in log space: the columns' logits are
 * z_i.u_k/tau + ln lambda + ln omega_ik, and log-sum-exp subtracts each row's maximum.
 *
 * An anchor without positives has loss 0 and stays in the mean (SupContrast after its #141).
 *
 * @param features [B, V, D] unit rows: V views of B images
 * @returns [A]: anchors are view 0 of all images, then view 1, and so on (only view 0 with `contrastMode` "one")
 * @throws ContrastError when rows are NaN or not of length 1, or shapes and settings do not fit together
 */
export function supConPerAnchor(features: Tensor, options: SupConOptions = {}): Tensor {
  const {
    labels,
    temperature = 0.1,
    baseTemperature = temperature,
    contrastMode = "all",
    form = "out",
  } = options;
  requireOptions(features, options);
  const [images, views] = features.shape as [number, number];
  const rows = rowsOf(features); // [M, D], view by view
  const anchors = contrastMode === "all" ? rows : rows.narrow(0, 0, images); // [A, D]
  const anchorViews = contrastMode === "all" ? views : 1;

  const isSelf = torch.eye(anchorViews * images, views * images, { dtype: "bool", device: rows.device }); // [A, M]
  const similar = anchors.matmul(rows.t()).div(temperature).maskedFill(isSelf, EXCLUDED); // [A, M]
  const isPositive = samePairs(labels, images, rows.device)
    .repeat([anchorViews, views])
    .logicalAnd(isSelf.logicalNot()); // [A, M]
  const positives = isPositive.to(rows.dtype);
  const counts = positives.sum([1]); // [A]

  const columns = negativeColumns(anchors, anchorViews, temperature, options); // [A, K] or null
  const past = memoryColumns(anchors, anchorViews, temperature, options); // [A, Q] or null
  const parts = [similar, columns, past].filter((part) => part !== null);
  const logits = parts.length > 1 ? torch.cat(parts, { dim: 1 }) : similar; // [A, M + K + Q]
  const logDenominator = logits.logsumexp([1]); // [A]
  const towardsPositives =
    form === "out"
      ? similar.mul(positives).sum([1]).div(counts.clampMin(1)) // [A]
      : similar.maskedFill(isPositive.logicalNot(), EXCLUDED).logsumexp([1]).sub(counts.clampMin(1).log());
  const perAnchor =
    form === "out"
      ? logDenominator.mul(counts.clampMax(1)).sub(towardsPositives) // counts of 0: 0 - 0
      : logDenominator.sub(towardsPositives).mul(counts.clampMax(1));
  return perAnchor.mul(temperature / baseTemperature);
}

/**
 * The mask for `negativeMask` in which a negative counts only for images of the class it was drawn from.
 *
 * @param labels class of each image, [B]
 * @param sourceLabels class of the photo that each negative was made from, [K]
 * @returns bool [B, K] on the CPU
 */
export function sourceClassMask(labels: readonly number[], sourceLabels: readonly number[]): Tensor {
  const bits = labels.flatMap((label) => sourceLabels.map((source) => (label === source ? 1 : 0)));
  return torch.fromTyped(Uint8Array.from(bits), [labels.length, sourceLabels.length], { dtype: "bool" });
}

/**
 * The mask for `memoryMask` in which a remembered row counts only for images of other classes.
 *
 * @param labels class of each image, [B]
 * @param memoryLabels class of each remembered row, [Q]
 * @returns bool [B, Q] on the CPU
 */
export function otherClassMask(labels: readonly number[], memoryLabels: readonly number[]): Tensor {
  return sourceClassMask(labels, memoryLabels).logicalNot();
}

/** Logits of the negatives-only columns with ln lambda and ln omega added, [A, K]; null where there are none. */
function negativeColumns(
  anchors: Tensor,
  anchorViews: number,
  temperature: number,
  {
    negatives,
    negativeWeight = 1,
    negativeTilt = 0,
    negativeMask,
    detachNegatives = false,
    detachWeights = false,
  }: SupConOptions,
): Tensor | null {
  const count = negatives?.shape[0] ?? 0;
  if (!negatives || count === 0 || negativeWeight === 0) return null;
  const columns = inFullPrecision(detachNegatives ? negatives.detach() : negatives); // [K, D]
  const isHidden = negativeMask
    ? negativeMask.to(anchors.device).logicalNot().repeat([anchorViews, 1]) // [A, K]
    : null;
  const hide = (values: Tensor) => (isHidden ? values.maskedFill(isHidden, EXCLUDED) : values);

  let logits = anchors.matmul(columns.t()).div(temperature); // [A, K]
  if (negativeTilt !== 0) {
    const tilted = (detachWeights ? logits.detach() : logits).mul(negativeTilt);
    const visible = isHidden // ln K_i
      ? isHidden.logicalNot().sum([1], { keepdim: true, dtype: logits.dtype }).clampMin(1).log()
      : Math.log(count);
    logits = logits.add(tilted.sub(hide(tilted).logsumexp([1], { keepdim: true })).add(visible)); // + ln omega
  }
  return hide(logits.add(Math.log(negativeWeight)));
}

function requireOptions(features: Tensor, options: SupConOptions): void {
  const { labels, temperature = 0.1, baseTemperature = temperature } = options;
  requireContrast("supCon", features, { labels, temperature });
  if (!(baseTemperature > 0)) {
    throw new ContrastError(
      `supCon got the base temperature ${baseTemperature}; it must be above 0. Usual values are 0.05 to 0.5.`,
    );
  }
  for (const [name, value] of [
    ["negativeWeight", options.negativeWeight ?? 1],
    ["negativeTilt", options.negativeTilt ?? 0],
  ] as const) {
    if (!(value >= 0 && Number.isFinite(value))) {
      throw new ContrastError(`supCon got ${name} = ${value}; it must be a number of 0 or more.`);
    }
  }
  requireColumns("supCon", features, "negative", options.negatives, options.negativeMask);
  requireColumns("supCon", features, "memory", options.memory, options.memoryMask);
}
