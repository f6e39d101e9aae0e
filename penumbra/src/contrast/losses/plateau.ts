/** What the closed form of the plateau needs to know of a SupCon step. */
export interface PlateauSettings {
  /** Rows of the batch, images times views: M. */
  readonly rows: number;
  /** Negatives-only columns that an anchor sees, on average: K. Default 0. */
  readonly negatives?: number;
  /** Their weight, lambda. Default 1. */
  readonly negativeWeight?: number;
  /** Past projections that an anchor sees, on average. Default 0. */
  readonly memory?: number;
  readonly temperature?: number;
  readonly baseTemperature?: number;
}

/**
 * The SupCon loss of an encoder that maps everything to one point: (tau / tau_base) ln(M - 1 + lambda K + Q).
 *
 * All logits are equal then, whatever the labels. These are the values at which users report a "stuck" loss, such as
 * 8.909 for 256 images, two views and SupContrast's temperatures (#3, #83).
 */
export function supConPlateau({
  rows,
  negatives = 0,
  negativeWeight = 1,
  memory = 0,
  temperature = 0.1,
  baseTemperature = temperature,
}: PlateauSettings): number {
  return (temperature / baseTemperature) * Math.log(rows - 1 + negativeWeight * negatives + memory);
}

/** What usually helps where a loss stays on its plateau. */
export const COLLAPSE_REMEDY =
  "Lengthen the warm-up, lower the learning rate, raise the temperature, or train for more steps.";

/** What {@link detectCollapse} found. */
export interface Collapse {
  /** Mean loss over the steps looked at. */
  readonly loss: number;
  readonly plateau: number;
  /** What is wrong and what helps, for people. */
  readonly message: string;
}

/**
 * Tells whether a loss history ended on the plateau of an encoder that has learned nothing.
 *
 * @param losses loss of each step, the newest last
 * @param plateau loss of an encoder that tells nothing apart: {@link supConPlateau}, or ln(classes) for cross-entropy
 * @param options.steps how many of the newest steps to average; default a tenth of them, at least 20
 * @param options.tolerance relative distance that still counts as the plateau; default 0.01
 * @param options.remedy what helps, in words
 * @returns null when the loss is off the plateau, or there are fewer steps than to average
 */
export function detectCollapse(
  losses: ArrayLike<number>,
  plateau: number,
  { steps = Math.max(20, Math.ceil(losses.length / 10)), tolerance = 0.01, remedy = COLLAPSE_REMEDY } = {},
): Collapse | null {
  if (losses.length < steps) return null;
  const newest = Array.from(losses).slice(-steps);
  const loss = newest.reduce((sum, value) => sum + value, 0) / steps;
  if (Math.abs(loss - plateau) > tolerance * plateau) return null;
  const message =
    `The loss has stayed at ${loss.toFixed(3)} over the last ${steps} steps. ${plateau.toFixed(3)} is what an encoder ` +
    `gives that maps all images to one point, so it has learned nothing. ${remedy}`;
  return { loss, plateau, message };
}
