import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { scope } from "../tensor/index.ts";
import { CurvatureMemory } from "./curvature.ts";
import { approximateWolfe, type LinePoint, strongWolfe } from "./line-search.ts";

/** A function's value and gradient at a point. */
export interface Evaluation {
  readonly value: number;
  /** Of the point's shape. */
  readonly gradient: Tensor;
}

export interface MinimizeOptions {
  /** Pairs of steps and gradient changes that stand for the curvature. Default 20. */
  readonly history?: number;
  /** Stops when the largest element of the gradient is at most this. Default 1e-9. */
  readonly tolerance?: number;
  /** Default 2000. */
  readonly maxIterations?: number;
  /**
   * How far to go along a direction. "approximateWolfe", the default, is for convex functions and reaches about full
   * precision; "strongWolfe" is for all smooth ones.
   */
  readonly lineSearch?: "approximateWolfe" | "strongWolfe";
  /**
   * Second derivatives at a point of n elements, [n, n], positive definite; called as the function is. With them the
   * steps are Newton's: a handful instead of hundreds, each of n^3 / 3 multiplications.
   */
  readonly hessian?: (point: Tensor) => Tensor;
}

export interface Minimum {
  /** Where the minimum lies. */
  readonly point: Tensor;
  readonly value: number;
  /** Largest element of the gradient there. */
  readonly gradientSize: number;
  readonly iterations: number;
}

/**
 * Minimises a smooth function by L-BFGS (Nocedal and Wright 2006, algorithm 7.5), or by Newton's method where second
 * derivatives are given (chapter 3), with no learning rate and no randomness. For parameters of a network there is
 * the class `LBFGS`.
 *
 * @param evaluate value and gradient at a point; called inside a scope, without recording for differentiation
 * @param start where to begin: one dimension, usually float64
 * @returns where the gradient vanished, or where no further progress was possible: look at `gradientSize`
 * @throws TorchError for second derivatives that are not positive definite
 * @example const { point } = optim.minimize((x) => ({ value: f(x).item(), gradient: slope(x) }), zeros([3]));
 */
export function minimize(
  evaluate: (point: Tensor) => Evaluation,
  start: Tensor,
  options: MinimizeOptions = {},
): Minimum {
  const { history = 20, tolerance = 1e-9, maxIterations = 2000, hessian } = options;
  const memory = new CurvatureMemory();
  const search = SEARCHES[options.lineSearch ?? "approximateWolfe"];
  const way: Way = hessian
    ? {
        descent: ({ point, gradient }) => newtonStep(hessian(point), gradient),
        knowsLength: () => true,
        learn: () => {},
      }
    : {
        descent: ({ gradient }) => memory.descent(gradient),
        knowsLength: () => memory.pairs.length > 0,
        learn: (step, change) => memory.learn(step, change, history),
      };
  try {
    return noGrad(() =>
      scope(() => {
        let here = scope(() => ({ point: start.clone(), ...evaluate(start) }));
        let iterations = 0;
        for (; iterations < maxIterations && magnitude(here.gradient) > tolerance; iterations++) {
          const next = scope(() => advance(evaluate, here, way, search));
          if (!next) break;
          here.point.dispose();
          here.gradient.dispose();
          here = next;
        }
        const { point, value, gradient } = here;
        return { point, value, gradientSize: magnitude(gradient), iterations };
      }),
    );
  } finally {
    memory.forget();
  }
}

interface Place extends Evaluation {
  readonly point: Tensor;
}

/** Where to go from a place. */
interface Way {
  descent(here: Place): Tensor;
  /** Whether a direction's own length is a good first step. */
  knowsLength(): boolean;
  learn(step: Tensor, change: Tensor): void;
}

/** -H^-1 gradient, by Cholesky's decomposition. */
function newtonStep(hessian: Tensor, gradient: Tensor): Tensor {
  return scope(() => gradient.neg().unsqueeze(1).choleskySolve(hessian.linalgCholesky()).squeeze(1));
}

/** Finds a point along a direction; null where there is no better one. */
type Search = (
  from: LinePoint<Tensor>,
  firstT: number,
  direction: Tensor,
  evaluate: (t: number) => LinePoint<Tensor>,
) => LinePoint<Tensor> | null;

const SEARCHES: Readonly<Record<NonNullable<MinimizeOptions["lineSearch"]>, Search>> = {
  approximateWolfe: (from, firstT, _direction, evaluate) => approximateWolfe(from, firstT, evaluate),
  strongWolfe: (from, firstT, direction, evaluate) => {
    const { point } = strongWolfe(from, firstT, magnitude(direction), evaluate, { toleranceChange: 0 });
    return point.t > 0 ? point : null;
  },
};

/** One step; null when the line search finds no better point. */
function advance(
  evaluate: (point: Tensor) => Evaluation,
  here: Place,
  way: Way,
  search: Search,
): Place | null {
  const { point, value, gradient } = here;
  let direction = way.descent(here);
  let slope = direction.dot(gradient).item();
  if (!(slope < 0)) {
    direction = gradient.neg();
    slope = direction.dot(gradient).item();
  }
  // Without curvature the length of a first step is unknown: the gradient is scaled to length 1 at most.
  const firstT = way.knowsLength() ? 1 : Math.min(1, 1 / Math.sqrt(-slope));
  const found = search({ t: 0, value, slope, extra: gradient }, firstT, direction, (t) => {
    const there = evaluate(point.add(direction, { alpha: t }));
    return { t, value: there.value, slope: direction.dot(there.gradient).item(), extra: there.gradient };
  });
  if (!found) return null;
  const step = direction.mul(found.t);
  way.learn(step, found.extra.sub(gradient));
  return { point: point.add(step), value: found.value, gradient: found.extra };
}

/** The largest magnitude of a vector's elements. */
export function magnitude(vector: Tensor): number {
  return scope(() => vector.abs().max().item());
}
