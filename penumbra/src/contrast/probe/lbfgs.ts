import { scope, type Tensor } from "@penumbra/torch";

/** A function's value and gradient at a point. */
export interface Evaluation {
  readonly value: number;
  /** Of the point's shape. */
  readonly gradient: Tensor;
}

export interface MinimiseOptions {
  /** Pairs of steps and gradient changes that stand for the curvature. Default 20. */
  readonly history?: number;
  /** Stops when the largest element of the gradient is at most this. Default 1e-9. */
  readonly tolerance?: number;
  /** Default 2000. */
  readonly maxIterations?: number;
}

export interface Minimum {
  /** Where the minimum lies. */
  readonly point: Tensor;
  readonly value: number;
  /** Largest element of the gradient there. */
  readonly gradientSize: number;
  readonly iterations: number;
}

/** A point on the way, with the curvature seen so far. */
interface State extends Evaluation {
  readonly point: Tensor;
  readonly pairs: readonly { readonly step: Tensor; readonly change: Tensor; readonly curvature: number }[];
}

/**
 * Minimises a smooth CONVEX function by L-BFGS (Nocedal and Wright 2006, algorithm 7.4) with a line search that ends
 * on the approximate Wolfe conditions of Hager and Zhang 2005: judged by slopes, so that it still works where
 * differences of values drown in rounding, and the minimum comes out to about full precision.
 *
 * @param evaluate value and gradient at a point; called inside a scope
 * @param start where to begin: one dimension, float64
 * @returns where the gradient vanished, or where no further progress was possible: look at `gradientSize`
 */
export function minimise(
  evaluate: (point: Tensor) => Evaluation,
  start: Tensor,
  { history = 20, tolerance = 1e-9, maxIterations = 2000 }: MinimiseOptions = {},
): Minimum {
  return scope(() => {
    let state: State = scope(() => ({ point: start.clone(), ...evaluate(start), pairs: [] }));
    let iterations = 0;
    for (; iterations < maxIterations && sizeOf(state.gradient) > tolerance; iterations++) {
      const next = scope(() => advance(evaluate, state, history));
      if (!next) break;
      disposeUnused(state, next);
      state = next;
    }
    return { point: state.point, value: state.value, gradientSize: sizeOf(state.gradient), iterations };
  });
}

/** One step; null when the line search finds no better point. */
function advance(evaluate: (point: Tensor) => Evaluation, state: State, history: number): State | null {
  const { point, gradient, pairs } = state;
  let direction = descent(gradient, pairs);
  let slope = dot(direction, gradient);
  if (!(slope < 0)) {
    direction = gradient.neg();
    slope = dot(direction, gradient);
  }
  // Without curvature the length of a first step is unknown: the gradient is scaled to length 1 at most.
  const firstLength = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(-slope)) : 1;
  const found = search(evaluate, state, direction, slope, firstLength);
  if (!found) return null;
  const step = direction.mul(found.length);
  const change = found.gradient.sub(gradient);
  const curvature = dot(step, change);
  const kept = curvature > 0 ? [...pairs, { step, change, curvature }].slice(-history) : pairs;
  return { point: point.add(step), value: found.value, gradient: found.gradient, pairs: kept };
}

/** -H g by the two-loop recursion, H the inverse of the curvature that the pairs describe. */
function descent(gradient: Tensor, pairs: State["pairs"]): Tensor {
  const newestFirst = [...pairs].reverse();
  const weights = new Map<State["pairs"][number], number>();
  let direction = gradient.neg();
  for (const pair of newestFirst) {
    const weight = dot(pair.step, direction) / pair.curvature;
    weights.set(pair, weight);
    direction = direction.sub(pair.change, { alpha: weight });
  }
  const newest = newestFirst[0];
  if (newest) direction = direction.mul(newest.curvature / dot(newest.change, newest.change));
  for (const pair of pairs) {
    const correction = (weights.get(pair) as number) - dot(pair.change, direction) / pair.curvature;
    direction = direction.add(pair.step, { alpha: correction });
  }
  return direction;
}

const ENOUGH = 0.1; // delta of Hager and Zhang: the share of the promised decrease that is enough
const FLAT = 0.9; // sigma: the share of the slope that may be left
const TRIES = 60;

function search(
  evaluate: (point: Tensor) => Evaluation,
  { point, value }: State,
  direction: Tensor,
  slope: number,
  firstLength: number,
): (Evaluation & { length: number }) | null {
  const rounding = 1e-13 * Math.max(1, Math.abs(value));
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  let length = firstLength;
  for (let i = 0; i < TRIES; i++) {
    const here = evaluate(point.add(direction, { alpha: length }));
    const slopeHere = dot(direction, here.gradient);
    const descends =
      here.value <= value + ENOUGH * length * slope ||
      (slopeHere <= (2 * ENOUGH - 1) * slope && here.value <= value + rounding);
    // Of a convex function: too far where it does not descend, too near where it still falls steeply.
    if (!descends || Number.isNaN(slopeHere)) high = length;
    else if (slopeHere < FLAT * slope) low = length;
    else return { ...here, length };
    length = high === Number.POSITIVE_INFINITY ? 2 * length : (low + high) / 2;
  }
  return null;
}

function dot(a: Tensor, b: Tensor): number {
  return a.dot(b).item();
}

function sizeOf(gradient: Tensor): number {
  return scope(() => gradient.abs().max().item());
}

/** Releases what the new state no longer refers to: the loop may run for thousands of steps. */
function disposeUnused(old: State, next: State): void {
  old.point.dispose();
  old.gradient.dispose();
  for (const pair of old.pairs) {
    if (next.pairs.includes(pair)) continue;
    pair.step.dispose();
    pair.change.dispose();
  }
}
