import type { Tensor } from "../tensor/index.ts";
import { keep, scope } from "../tensor/index.ts";

/** A past step of the point with the change of the gradient that it brought. */
export interface CurvaturePair {
  readonly step: Tensor;
  readonly change: Tensor;
  /** step · change */
  readonly curvature: number;
}

/** What limited-memory BFGS knows of a function's curvature: its last steps; they stand for the inverse of the Hessian, H. */
export class CurvatureMemory {
  readonly #least: number;
  #pairs: CurvaturePair[] = [];

  /** @param least curvature above which a step is worth remembering */
  constructor(least = 0) {
    this.#least = least;
  }

  /** Oldest first. */
  get pairs(): readonly CurvaturePair[] {
    return this.#pairs;
  }

  /**
   * Remembers a step, unless it shows no curvature; the tensors are the memory's own from then on.
   * @param limit number of steps that are remembered, the last ones
   */
  learn(step: Tensor, change: Tensor, limit: number): void {
    const curvature = change.dot(step).item();
    if (!(curvature > this.#least)) return;
    while (this.#pairs.length >= limit) disposePair(this.#pairs.shift());
    this.#pairs.push(keep({ step, change, curvature }));
  }

  /** Goes on with pairs that were saved. */
  restore(pairs: readonly CurvaturePair[]): void {
    this.forget();
    this.#pairs = keep([...pairs]);
  }

  /** -H gradient by the two-loop recursion (Nocedal and Wright 2006, algorithm 7.4). */
  descent(gradient: Tensor): Tensor {
    return scope(() => {
      const direction = gradient.neg();
      const weights = new Map<CurvaturePair, number>();
      for (const pair of [...this.#pairs].reverse()) {
        const weight = pair.step.dot(direction).item() / pair.curvature;
        weights.set(pair, weight);
        direction.sub_(pair.change, { alpha: weight });
      }
      const newest = this.#pairs.at(-1);
      if (newest) direction.mul_(newest.curvature / newest.change.dot(newest.change).item());
      for (const pair of this.#pairs) {
        const correction = weights.get(pair)! - pair.change.dot(direction).item() / pair.curvature;
        direction.add_(pair.step, { alpha: correction });
      }
      return direction;
    });
  }

  /** Releases all pairs. */
  forget(): void {
    for (const pair of this.#pairs) disposePair(pair);
    this.#pairs = [];
  }
}

function disposePair(pair: CurvaturePair | undefined): void {
  pair?.step.dispose();
  pair?.change.dispose();
}
