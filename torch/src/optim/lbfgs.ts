import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { cat, keep, scope, TorchError } from "../tensor/index.ts";
import { CurvatureMemory } from "./curvature.ts";
import { type LinePoint, strongWolfe } from "./line-search.ts";
import { magnitude } from "./minimize.ts";
import { Optimizer, type OptimizerState } from "./optimizer.ts";

export interface LbfgsSettings {
  /** Length of the first try along a direction. Default 1. */
  lr: number;
  /** Directions tried in one call of `step`. Default 20. */
  maxIterations: number;
  /** Evaluations of the loss in one call of `step`. Default 1.25 times `maxIterations`. */
  maxEvaluations: number;
  /** Ends when no gradient is larger. Default 1e-7. */
  toleranceGrad: number;
  /** Ends when neither parameters nor loss change by more. Default 1e-9. */
  toleranceChange: number;
  /** Number of past steps that shape the curvature. Default 100. */
  historySize: number;
  /** How far to go along a direction: `lr` (null, default), or by a search. */
  lineSearch: "strongWolfe" | null;
}

/** Steps of less curvature are not remembered, as in PyTorch. */
const LEAST_CURVATURE = 1e-10;

/**
 * Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) with the stopping rules of PyTorch's LBFGS; for smooth
 * losses over all data at once. A function of one vector is minimised by `minimize`.
 *
 * @example
 * const optimizer = new optim.LBFGS(probe.parameters(), { lineSearch: "strongWolfe" });
 * optimizer.step(() => probe.forward(features).crossEntropyLoss(labels));
 */
export class LBFGS extends Optimizer<LbfgsSettings, never> {
  readonly #memory = new CurvatureMemory(LEAST_CURVATURE);
  #direction: Tensor | null = null;
  #previousGradient: Tensor | null = null;
  #numbers = { t: 0, iterations: 0, evaluations: 0 };

  /** @param parameters one group; all on one device */
  constructor(parameters: Iterable<Tensor>, settings: Partial<LbfgsSettings> = {}) {
    const { maxIterations = 20 } = settings;
    super(parameters, {
      lr: 1,
      maxIterations,
      maxEvaluations: Math.floor((maxIterations * 5) / 4),
      toleranceGrad: 1e-7,
      toleranceChange: 1e-9,
      historySize: 100,
      lineSearch: null,
      ...settings,
    });
  }

  /**
   * Moves the parameters along up to `maxIterations` directions.
   *
   * @param closure computes the loss; gradients are cleared before, and the returned tensor is differentiated. A closure
   *   that returns a number has called `backward` itself, once for each part of the data.
   * @returns the loss before
   */
  step(closure: () => Tensor | number): number {
    const { maxIterations, maxEvaluations, toleranceGrad } = this.groups[0]!;
    return scope(() => {
      const first = this.#evaluate(closure);
      let point = { ...first, isDone: magnitude(first.gradient) <= toleranceGrad };
      let evaluations = 1;
      for (let left = maxIterations; left > 0 && !point.isDone && evaluations < maxEvaluations; left--) {
        const before = this.#numbers.evaluations;
        const { loss, gradient } = point;
        point = scope(() => this.#iterate(closure, loss, gradient, left === 1));
        if (gradient !== point.gradient) gradient.dispose();
        evaluations += this.#numbers.evaluations - before;
      }
      return first.loss;
    });
  }

  protected stateNames(): never[] {
    return [];
  }

  override stateDict(): OptimizerState {
    const tensors: Record<string, Tensor> = {};
    const numbers: Record<string, number> = { ...this.#numbers };
    if (this.#direction) tensors.direction = this.#direction;
    if (this.#previousGradient) tensors.previousGradient = this.#previousGradient;
    this.#memory.pairs.forEach(({ step, change, curvature }, i) => {
      tensors[`history.${i}.step`] = step;
      tensors[`history.${i}.change`] = change;
      numbers[`history.${i}.curvature`] = curvature;
    });
    return { ...super.stateDict(), tensors, numbers };
  }

  override loadStateDict(given: OptimizerState): void {
    const size = this.groups[0]!.params.reduce((sum, { numel }) => sum + numel, 0);
    for (const [name, tensor] of Object.entries(given.tensors)) {
      if (given.optimizer !== "LBFGS" || tensor.numel === size) continue;
      const problem = `"${name}" has ${tensor.numel} elements, the parameters ${size}`;
      throw new TorchError(
        `LBFGS.loadStateDict: ${problem}. Make the optimizer as it was made when its state was saved.`,
      );
    }
    const length = historyLength(given);
    const lacking = lackingParts(given, length);
    if (given.optimizer === "LBFGS" && lacking.length > 0) {
      throw new TorchError(
        `LBFGS.loadStateDict: the state lacks ${lacking.map((name) => `"${name}"`).join(", ")}. Use one that is whole.`,
      );
    }
    super.loadStateDict(given);
    this.#forget();
    const device = this.groups[0]!.params[0]!.device;
    const copy = (name: string) => {
      const tensor = given.tensors[name];
      return tensor ? keep(tensor.to({ device, copy: true })) : null;
    };
    this.#direction = copy("direction");
    this.#previousGradient = copy("previousGradient");
    this.#memory.restore(
      Array.from({ length }, (_, i) => ({
        step: copy(`history.${i}.step`)!,
        change: copy(`history.${i}.change`)!,
        curvature: given.numbers[`history.${i}.curvature`]!,
      })),
    );
    for (const name of ["t", "iterations", "evaluations"] as const) {
      this.#numbers[name] = given.numbers[name] ?? this.#numbers[name];
    }
  }

  override dispose(): void {
    this.#forget();
    super.dispose();
  }

  /** Takes one direction from the given point; says where that led, and whether to stop. */
  #iterate(closure: () => Tensor | number, before: number, slopes: Tensor, isLast: boolean) {
    const numbers = this.#numbers;
    const { toleranceGrad, toleranceChange } = this.groups[0]!;
    const direction = this.#nextDirection(slopes);
    this.#remember(direction, slopes);
    numbers.t = numbers.iterations === 1 ? Math.min(1, 1 / slopes.abs().sum().item()) * this.lr : this.lr;
    const slope = slopes.dot(direction).item();
    if (slope > -toleranceChange) return { loss: before, gradient: slopes, isDone: true };
    const { loss, gradient } = this.#move(
      closure,
      { t: 0, value: before, slope, extra: slopes },
      direction,
      isLast,
    );
    const isDone =
      magnitude(gradient) <= toleranceGrad ||
      magnitude(direction) * numbers.t <= toleranceChange ||
      Math.abs(loss - before) < toleranceChange;
    return { loss, gradient, isDone };
  }

  /** The loss and its flat gradient at the parameters as they are. */
  #evaluate(closure: () => Tensor | number): { loss: number; gradient: Tensor } {
    return scope(() => {
      this.#numbers.evaluations += 1;
      this.zeroGrad();
      const result = closure();
      const loss = typeof result === "number" ? result : result.item();
      if (typeof result !== "number") result.backward();
      const { params } = this.groups[0]!;
      const parts = params.map((parameter) =>
        (parameter.grad ?? parameter.detach().zerosLike()).reshape([-1]),
      );
      return { loss, gradient: cat(parts) }; // [N]
    });
  }

  /** The direction to go, from the gradient and what the last step showed of the curvature. */
  #nextDirection(gradient: Tensor): Tensor {
    const numbers = this.#numbers;
    numbers.iterations += 1;
    if (numbers.iterations === 1 || !this.#direction || !this.#previousGradient) return gradient.neg();
    const change = gradient.sub(this.#previousGradient);
    this.#memory.learn(this.#direction.mul(numbers.t), change, this.groups[0]!.historySize);
    return this.#memory.descent(gradient);
  }

  /** Goes along the direction and evaluates there; the last step without a search needs no evaluation. */
  #move(closure: () => Tensor | number, start: LinePoint<Tensor>, direction: Tensor, isLast: boolean) {
    const numbers = this.#numbers;
    const { lineSearch, toleranceChange } = this.groups[0]!;
    if (lineSearch === null) {
      this.#add(direction, numbers.t);
      if (isLast) return { loss: start.value, gradient: start.extra };
      return this.#evaluate(closure);
    }
    const { params } = this.groups[0]!;
    const origin = params.map((parameter) => parameter.detach().clone());
    const put = (t: number) => {
      noGrad(() => params.forEach((parameter, i) => void parameter.copy_(origin[i]!)));
      this.#add(direction, t);
    };
    const evaluate = (t: number): LinePoint<Tensor> => {
      put(t);
      const { loss, gradient } = this.#evaluate(closure);
      return { t, value: loss, slope: gradient.dot(direction).item(), extra: gradient };
    };
    const { point } = strongWolfe(start, numbers.t, magnitude(direction), evaluate, {
      toleranceChange,
    });
    put(point.t);
    numbers.t = point.t;
    return { loss: point.value, gradient: point.extra };
  }

  #add(direction: Tensor, t: number): void {
    noGrad(() =>
      scope(() => {
        let offset = 0;
        for (const parameter of this.groups[0]!.params) {
          const part = direction.narrow(0, offset, parameter.numel);
          parameter.add_(part.reshape([...parameter.shape]), { alpha: t });
          offset += parameter.numel;
        }
      }),
    );
  }

  #remember(direction: Tensor, gradient: Tensor): void {
    this.#direction?.dispose();
    this.#previousGradient?.dispose();
    this.#direction = keep(direction);
    this.#previousGradient = keep(gradient.clone());
  }

  #forget(): void {
    this.#memory.forget();
    this.#direction?.dispose();
    this.#previousGradient?.dispose();
    this.#direction = null;
    this.#previousGradient = null;
  }
}

/** How many curvature pairs the state has a part of. */
function historyLength({ tensors, numbers }: OptimizerState): number {
  const names = [...Object.keys(tensors), ...Object.keys(numbers)];
  return new Set(names.map((name) => /^history\.\d+\./.exec(name)?.[0]).filter((pair) => pair)).size;
}

/** Names that a state of this many pairs must have and has not. Direction and gradient are there after the first step. */
function lackingParts({ tensors, numbers }: OptimizerState, length: number): string[] {
  const pairs = Array.from({ length }, (_, i) => `history.${i}`);
  const wanted = pairs.flatMap((pair) => [`${pair}.step`, `${pair}.change`]);
  if (length > 0 || tensors.direction || tensors.previousGradient)
    wanted.push("direction", "previousGradient");
  return [
    ...wanted.filter((name) => !Object.hasOwn(tensors, name)),
    ...pairs.map((pair) => `${pair}.curvature`).filter((name) => !Object.hasOwn(numbers, name)),
  ];
}
