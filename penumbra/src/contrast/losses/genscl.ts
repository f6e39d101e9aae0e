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
  /** Rows of earlier steps, further columns of the denominator. Default none. */
  readonly memory?: GensclMemory | null;
}

/** Past rows: no gradient reaches them, and nothing is drawn towards them. */
export interface GensclMemory {
  /** [Q, D] unit rows. */
  readonly rows: Tensor;
  /** [Q, C]. */
  readonly distributions: Tensor;
  /** What the teacher said of them, [Q, C]; needed where there is a teacher. */
  readonly teacher?: Tensor | null;
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
 * A memory adds sum_q (1 - cos(y_i, y_q)) e^{z_i.m_q/tau} to the denominator: a past row is a negative as far as its labels
 * disagree. With one-hot labels these are the rows of other classes, as `supCon` with {@link otherClassMask} has them.
 *
 * @param rows [M, D] unit rows
 * @param distributions [M, C], 0 or more; a row of zeros is like no other and has loss 0, and in the memory is a whole negative
 * @returns a scalar; float32, or float64 for float64 rows
 * @throws ContrastError when rows are NaN or not of length 1, or shapes and settings do not fit together
 */
export function genSupCon(rows: Tensor, distributions: Tensor, options: GensclOptions = {}): Tensor {
  const { temperature = 0.1, baseTemperature = temperature, teacher = null, teacherWeight = 1 } = options;
  const { memory = null } = options;
  requireDistributions(rows, distributions, "distributions");
  if (teacher) requireDistributions(rows, teacher, "teacher");
  if (memory) requireMemory(rows, memory, { distributions, teacher });
  requireTemperature("genSupCon", temperature);
  requireUnitRows(rows, "rows");
  const exact = inFullPrecision(rows);
  const isSelf = torch.eye(rows.shape[0] as number, { dtype: "bool", device: rows.device }); // [M, M]
  const similar = exact.matmul(exact.t()).div(temperature).maskedFill(isSelf, EXCLUDED);
  const past = memory && exact.matmul(inFullPrecision(memory.rows.detach()).t()).div(temperature); // [M, Q]
  const against = (labels: Tensor, pastLabels: Tensor | null) => {
    const own = unitLabels(labels, exact);
    const weights = own.matmul(own.t()).maskedFill(isSelf, 0); // [M, M]
    const logits =
      past && pastLabels ? torch.cat([similar, past.add(logApart(own, pastLabels))], { dim: 1 }) : similar;
    const logQ = similar.sub(logits.logsumexp([1], { keepdim: true })); // [M, M]
    return weights
      .mul(logQ)
      .sum([1])
      .div(weights.sum([1]).add(EPSILON))
      .mean()
      .neg();
  };
  const own = against(distributions, memory?.distributions ?? null);
  const whole = teacher ? own.add(against(teacher, memory?.teacher ?? null), { alpha: teacherWeight }) : own;
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

/** Rows of length 1, or of zeros: their products are cos(y_i, y_j). */
function unitLabels(labels: Tensor, like: Tensor): Tensor {
  const exact = labels.to({ device: like.device, dtype: like.dtype });
  return exact.div(exact.linalgVectorNorm({ dim: [1], keepdim: true }).clampMin(1e-12));
}

/** ln(1 - cos(y_i, y_q)), [M, Q]: minus infinity where a past row has the same labels. */
function logApart(own: Tensor, past: Tensor): Tensor {
  return own.matmul(unitLabels(past, own).t()).neg().add(1).clampMin(0).log();
}

function requireMemory(
  rows: Tensor,
  memory: GensclMemory,
  { distributions, teacher }: { readonly distributions: Tensor; readonly teacher: Tensor | null },
): void {
  const [count, dimensions] = memory.rows.shape;
  const wanted = { distributions, ...(teacher && { teacher }) };
  const fits = Object.entries(wanted).every(([name, { shape }]) => {
    const own = memory[name as keyof typeof wanted];
    return own?.ndim === 2 && own.shape[0] === count && own.shape[1] === shape[1];
  });
  if (memory.rows.ndim !== 2 || dimensions !== rows.shape[1] || !fits) {
    throw new ContrastError(
      `genSupCon got a memory of rows [${memory.rows.shape}], distributions [${memory.distributions.shape}] and teacher [${memory.teacher?.shape ?? "none"}] for rows [${rows.shape}]. Pass [Q, ${rows.shape[1]}], [Q, ${distributions.shape[1]}] and, where there is a teacher, what it said of each: [Q, ${teacher?.shape[1] ?? "classes"}].`,
    );
  }
  requireUnitRows(memory.rows, "memory");
}

function requireDistributions(rows: Tensor, labels: Tensor, name: string): void {
  if (rows.ndim === 2 && labels.ndim === 2 && labels.shape[0] === rows.shape[0]) return;
  throw new ContrastError(
    `genSupCon got rows of shape [${rows.shape}] and ${name} of shape [${labels.shape}]. Pass [M, dimensions] and [M, classes].`,
  );
}
