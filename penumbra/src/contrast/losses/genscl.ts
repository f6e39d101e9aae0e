import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import { EXCLUDED, inFullPrecision, requireTemperature } from "./contrast-rows.ts";
import { requireUnitRows } from "./unit-rows.ts";

export interface GensclOptions {
  /** tau, above 0. Default 0.1. */
  readonly temperature?: number;
  /** tau_base; scales the loss by tau / tau_base. Default `temperature`: no scaling. */
  readonly baseTemperature?: number;
  /** Label distributions of a teacher, [M, C], for distillation: L(labels) + teacherWeight L(teacher). */
  readonly teacher?: Tensor | null;
  /** alpha, weight of the teacher. Default 1. */
  readonly teacherWeight?: number;
}

/** Of the sum of an anchor's weights, so that one without any costs nothing. */
const EPSILON = 1e-8;

/**
 * Generalized supervised contrastive loss: rows attract as much as their label distributions agree.
 *
 *   L_i = -(tau / tau_base) sum_{j != i} w_ij ln q_ij / (sum_j w_ij + 1e-8),   w_ij = cos(y_i, y_j)
 *   q_i = softmax_{j != i}(s_ij/tau)
 *
 * (Kim et al. 2022). With one-hot labels it is SupCon's L_out. Distributions are what mixing (MixUp, CutMix), a redraw
 * between two classes ({@link redrawLabels}) or a teacher's softmax give.
 *
 * @param rows [M, D] unit rows
 * @param distributions [M, C], 0 or more; a row of zeros is like no other and has loss 0
 * @returns a scalar; float32, or float64 for float64 rows
 * @throws ContrastError when rows are NaN or not of length 1, or shapes and settings do not fit together
 */
export function genSupCon(rows: Tensor, distributions: Tensor, options: GensclOptions = {}): Tensor {
  const { temperature = 0.1, baseTemperature = temperature, teacher = null, teacherWeight = 1 } = options;
  requireDistributions(rows, distributions, "distributions");
  if (teacher) requireDistributions(rows, teacher, "teacher");
  requireTemperature("genSupCon", temperature);
  requireUnitRows(rows, "rows");
  const exact = inFullPrecision(rows);
  const isSelf = torch.eye(rows.shape[0] as number, { dtype: "bool", device: rows.device }); // [M, M]
  const logits = exact.matmul(exact.t()).div(temperature).maskedFill(isSelf, EXCLUDED);
  const logQ = logits.sub(logits.logsumexp([1], { keepdim: true })); // [M, M]
  const against = (labels: Tensor) => {
    const weights = agreement(labels.to({ device: rows.device, dtype: exact.dtype })).maskedFill(isSelf, 0);
    return weights
      .mul(logQ)
      .sum([1])
      .div(weights.sum([1]).add(EPSILON))
      .mean()
      .neg();
  };
  const own = against(distributions);
  const whole = teacher ? own.add(against(teacher), { alpha: teacherWeight }) : own;
  return whole.mul(temperature / baseTemperature);
}

/**
 * The label distribution of images between two classes: a redraw of strength s of a photo of class a with the word of
 * class b is (1 - s^gamma) a + s^gamma b (Diff-Mix, Wang et al. 2024, gamma 0.8); with the own class's word it stays a.
 *
 * @param sources class of each image's photo, [M]
 * @param words class of the word and strength of each redraw, [M]; null for a photo
 * @param classes C
 * @returns float64 [M, C] on the CPU; rows sum to 1
 */
export function redrawLabels(
  sources: readonly number[],
  words: readonly (RedrawWord | null)[],
  classes: number,
  { exponent = 0.8 } = {},
): Tensor {
  const values = new Float64Array(sources.length * classes);
  for (const [row, source] of sources.entries()) {
    const word = words[row] ?? null;
    const share = word ? word.strength ** exponent : 0;
    values[row * classes + source]! += 1 - share;
    if (word) values[row * classes + word.label]! += share;
  }
  return torch.fromTyped(values, [sources.length, classes]);
}

/** With which word and how strongly an image was redrawn. */
export interface RedrawWord {
  /** Class whose word it is. */
  readonly label: number;
  /** 0 … 1. */
  readonly strength: number;
}

/** cos(y_i, y_j) of all pairs, [M, M]; 0 for rows of zeros. */
function agreement(labels: Tensor): Tensor {
  const unit = labels.div(labels.linalgVectorNorm({ dim: [1], keepdim: true }).clampMin(1e-12));
  return unit.matmul(unit.t());
}

function requireDistributions(rows: Tensor, labels: Tensor, name: string): void {
  if (rows.ndim === 2 && labels.ndim === 2 && labels.shape[0] === rows.shape[0]) return;
  throw new ContrastError(
    `genSupCon got rows of shape [${rows.shape}] and ${name} of shape [${labels.shape}]. Pass [M, dimensions] and [M, classes].`,
  );
}
