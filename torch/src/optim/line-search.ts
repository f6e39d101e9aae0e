/** Value and slope of a function along a line, at the distance `t`, and what belongs to that point. */
export interface LinePoint<Extra> {
  readonly t: number;
  readonly value: number;
  readonly slope: number;
  readonly extra: Extra;
}

export interface LineSearchOptions {
  /** Sufficient decrease (Armijo). Default 1e-4. */
  c1?: number;
  /** Sufficient flattening (curvature). Default 0.9. */
  c2?: number;
  /** Ends when the interval is shorter than this in the largest coordinate. Default 1e-9. */
  toleranceChange?: number;
  /** Default 25. */
  maxEvaluations?: number;
}

/**
 * Looks for a distance that fulfils the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6, with
 * cubic interpolation): value(t) <= value(0) + c1 t slope(0) and |slope(t)| <= c2 |slope(0)|.
 *
 * @param start the point at t = 0, with a negative slope
 * @param firstT the first distance to try
 * @param largest the largest magnitude among the direction's coordinates
 * @param evaluate gives the point at a distance
 * @returns the best point found, and the number of evaluations
 */
export function strongWolfe<Extra>(
  start: LinePoint<Extra>,
  firstT: number,
  largest: number,
  evaluate: (t: number) => LinePoint<Extra>,
  { c1 = 1e-4, c2 = 0.9, toleranceChange = 1e-9, maxEvaluations = 25 }: LineSearchOptions = {},
): { point: LinePoint<Extra>; evaluations: number } {
  const isTooHigh = (point: LinePoint<Extra>) => point.value > start.value + c1 * point.t * start.slope;
  const isFlat = (point: LinePoint<Extra>) => Math.abs(point.slope) <= -c2 * start.slope;

  // Bracketing: walk on until the minimum must lie between the last two points.
  let previous = start;
  let current = evaluate(firstT);
  let evaluations = 1;
  let bracket: [LinePoint<Extra>, LinePoint<Extra>] | undefined;
  for (let i = 0; i < maxEvaluations; i++) {
    if (isTooHigh(current) || (i > 1 && current.value >= previous.value)) {
      bracket = [previous, current];
      break;
    }
    if (isFlat(current)) return { point: current, evaluations };
    if (current.slope >= 0) {
      bracket = [previous, current];
      break;
    }
    const bounds: [number, number] = [current.t + 0.01 * (current.t - previous.t), current.t * 10];
    const next = cubicMinimum(previous, current, bounds);
    previous = current;
    current = evaluate(next);
    evaluations += 1;
  }
  let [low, high] = bracket ?? [start, current];
  if (low.value > high.value) [low, high] = [high, low];

  // Zooming: shrink the interval; `low` is the best point so far and fulfils the first condition.
  let hadLittleProgress = false;
  while (evaluations <= maxEvaluations && Math.abs(high.t - low.t) * largest >= toleranceChange) {
    const [left, right] = low.t < high.t ? [low, high] : [high, low];
    let t = cubicMinimum(left, right, [left.t, right.t]);
    const margin = 0.1 * (right.t - left.t);
    if (Math.min(right.t - t, t - left.t) < margin) {
      // Near an end twice in a row: step a tenth into the interval, lest it shrink from one side only.
      if (hadLittleProgress || t >= right.t || t <= left.t) {
        t = Math.abs(t - right.t) < Math.abs(t - left.t) ? right.t - margin : left.t + margin;
        hadLittleProgress = false;
      } else {
        hadLittleProgress = true;
      }
    } else {
      hadLittleProgress = false;
    }
    const point = evaluate(t);
    evaluations += 1;
    if (isTooHigh(point) || point.value >= low.value) {
      high = point;
    } else {
      if (isFlat(point)) return { point, evaluations };
      if (point.slope * (high.t - low.t) >= 0) high = low;
      low = point;
    }
    if (low.value > high.value) [low, high] = [high, low];
  }
  return { point: low, evaluations };
}

const ENOUGH = 0.1; // delta of Hager and Zhang: the share of the promised decrease that is enough
const FLAT = 0.9; // sigma: the share of the slope that may be left
const TRIES = 60;

/**
 * Looks for a distance along which a CONVEX function falls enough, by the approximate Wolfe conditions (Hager and Zhang
 * 2005, section 1): judged by slopes, so that it still works where differences of values drown in rounding.
 *
 * @param start the point at t = 0, with a negative slope
 * @param firstT the first distance to try
 * @param evaluate gives the point at a distance
 * @returns null where none was found
 */
export function approximateWolfe<Extra>(
  start: LinePoint<Extra>,
  firstT: number,
  evaluate: (t: number) => LinePoint<Extra>,
): LinePoint<Extra> | null {
  const { value, slope } = start;
  const rounding = 1e-13 * Math.max(1, Math.abs(value));
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  let t = firstT;
  for (let i = 0; i < TRIES; i++) {
    const here = evaluate(t);
    const descends =
      here.value <= value + ENOUGH * t * slope ||
      (here.slope <= (2 * ENOUGH - 1) * slope && here.value <= value + rounding);
    // Of a convex function: too far where it does not descend, too near where it still falls steeply.
    if (!descends || Number.isNaN(here.slope)) high = t;
    else if (here.slope < FLAT * slope) low = t;
    else return here;
    t = high === Number.POSITIVE_INFINITY ? 2 * t : (low + high) / 2;
  }
  return null;
}

/** The minimum of the cubic through two points with their slopes, within bounds (Nocedal and Wright 2006, eq. 3.59). */
export function cubicMinimum(
  a: LinePoint<unknown>,
  b: LinePoint<unknown>,
  [lo, hi]: [number, number],
): number {
  const d1 = a.slope + b.slope - (3 * (a.value - b.value)) / (a.t - b.t);
  const square = d1 ** 2 - a.slope * b.slope;
  if (!(square >= 0)) return (lo + hi) / 2;
  const d2 = Math.sqrt(square) * Math.sign(b.t - a.t);
  const position = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
  return Number.isNaN(position) ? (lo + hi) / 2 : Math.min(Math.max(position, lo), hi);
}
