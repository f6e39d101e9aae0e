import { accuracy, nll, softmax } from "../metrics/index.ts";
import { defineDetector, numberOf } from "./detector.ts";
import { maxSoftmax } from "./msp.ts";

const LOWEST = 0.01;
const HIGHEST = 100;

/** A procedure that stops before it has converged, as published implementations do. */
export interface ShortFit {
  /** T to start from: 1.5 in OpenOOD, 1 in pytorch-ood. */
  readonly initial: number;
  /** Steps of L-BFGS without line search; both have 50. */
  readonly steps: number;
  /** Both have 0.01, which is why 50 steps do not converge where T is far from the start. */
  readonly learningRate: number;
}

export interface TemperatureOptions {
  /** Stops early, to reproduce numbers of a published implementation. Default: to the minimum. */
  readonly shortFit?: ShortFit;
}

/**
 * The temperature T that makes softmax(logits / T) most likely: argmin_T of the NLL (Guo et al. 2017, section 4.2).
 *
 * The NLL is convex in a = 1/T with the derivative mean_i ( E_{c ~ softmax(a f_i)} f_ic - f_i,label ), so its root is
 * found by bisection, to rounding, and T is kept in 0.01 … 100. Where all validation images are right, as happens with
 * few of them, there is no minimum: the likelihood grows as long as T falls, until every confidence is 1 and nothing
 * is ranked any more. T stays 1 then.
 *
 * @param logits one row an image, of VALIDATION images: on training images every model looks too sure
 * @param labels class index of each image
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function fitTemperature(
  logits: ArrayLike<ArrayLike<number>>,
  labels: ArrayLike<number>,
  { shortFit }: TemperatureOptions = {},
): number {
  nll(logits, labels); // throws when they do not fit together
  if (shortFit) return shortlyFitted(logits, labels, shortFit);
  if (accuracy(logits, labels) === 1) return 1;
  let low = 1 / HIGHEST;
  let high = 1 / LOWEST;
  if (slope(logits, labels, low) >= 0) return HIGHEST;
  if (slope(logits, labels, high) <= 0) return LOWEST;
  while (high / low > 1 + 1e-14) {
    const middle = Math.sqrt(low * high);
    if (slope(logits, labels, middle) > 0) high = middle;
    else low = middle;
  }
  return 1 / Math.sqrt(low * high);
}

/** MSP of temperature-scaled logits: max softmax(f / T), T fitted on validation images. */
export const temperature = defineDetector({
  title: "Temperature scaling",
  description: "Largest softmax probability at a temperature fitted on validation images (Guo et al. 2017)",
  needs: ["logits"],
  fitsOn: "validation",
  tuning: null,
  learn: ({ logits, labels }, options: TemperatureOptions) => {
    const rows = logits.tolist() as number[][];
    return { numbers: { temperature: fitTemperature(rows, labels(rows.length), options) }, tensors: {} };
  },
  score: (state, { logits }) => maxSoftmax(logits, numberOf(state, "temperature")),
});

/** Derivative of the NLL by a = 1/T. */
function slope(logits: ArrayLike<ArrayLike<number>>, labels: ArrayLike<number>, a: number): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const row = logits[i] as ArrayLike<number>;
    const probabilities = softmax(Array.from(row, (value) => value * a));
    for (let c = 0; c < row.length; c++) sum += (probabilities[c] as number) * (row[c] as number);
    sum -= row[labels[i] as number] as number;
  }
  return sum / logits.length;
}

/**
 * PyTorch's L-BFGS without line search, in the one dimension T: the two-loop recursion is then a secant step,
 * d = -g s/y, times the learning rate; the first step has length min(1, 1/|g|).
 */
function shortlyFitted(
  logits: ArrayLike<ArrayLike<number>>,
  labels: ArrayLike<number>,
  { initial, steps, learningRate }: ShortFit,
): number {
  const gradientAt = (t: number) => -slope(logits, labels, 1 / t) / t ** 2; // d/dT = d/da * da/dT
  let fitted = initial;
  let gradient = gradientAt(fitted);
  let inverseCurvature = 1;
  for (let step = 0; step < steps && Math.abs(gradient) > 1e-7; step++) {
    const length = step === 0 ? Math.min(1, 1 / Math.abs(gradient)) * learningRate : learningRate;
    const move = -gradient * inverseCurvature * length;
    if (Math.abs(move) <= 1e-9) break;
    fitted += move;
    const next = gradientAt(fitted);
    const change = next - gradient;
    if (change * move > 1e-10) inverseCurvature = move / change;
    gradient = next;
  }
  return fitted;
}
