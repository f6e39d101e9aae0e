import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { _foreachLerp, _foreachLerp_, _foreachMul_, scope, TorchError } from "../tensor/index.ts";
import { checkNotNegative, Optimizer, type Parameters } from "./optimizer.ts";
import { checkReal } from "./stepped.ts";

export interface MuonSettings {
  lr: number;
  /** Decoupled, as AdamW's. Default 0.1. */
  weightDecay: number;
  /** Decay of the mean gradient. Default 0.95. */
  momentum: number;
  /** Looks ahead along the mean. Default true. */
  nesterov: boolean;
  /** a, b, c of the polynomial a x + b x³ + c x⁵. Default [3.4445, -4.775, 2.0315]. */
  coefficients: readonly [number, number, number];
  /** Least norm that a gradient is divided by. Default 1e-7. */
  eps: number;
  /** Turns of the iteration. Default 5. */
  iterations: number;
  /**
   * How lr follows the shape [rows, columns]: "original" times sqrt(max(1, rows / columns)) (Jordan et al. 2024),
   * "matchRmsAdamW" times 0.2 sqrt(max(rows, columns)), so that AdamW's rates hold (Liu et al. 2025). Default "original".
   */
  adjustLr: "original" | "matchRmsAdamW";
}

/**
 * Muon (Jordan et al. 2024) for the matrices of hidden layers: p -= lr U V^T, where the mean gradient is U S V^T, found to
 * within singular values of some 0.5 to 1.5 by a Newton-Schulz iteration in bfloat16.
 *
 * @example
 * const matrices = model.hidden.parameters().filter(({ ndim }) => ndim === 2);
 * const muon = new optim.Muon(matrices, { lr: 0.02 }); // the rest is AdamW's
 */
export class Muon extends Optimizer<MuonSettings, "momentumBuffer"> {
  /**
   * Settings as in PyTorch: lr 0.001, weightDecay 0.1, momentum 0.95 with Nesterov's look ahead.
   * @throws TorchError for a parameter that is no matrix
   */
  constructor(parameters: Parameters<MuonSettings>, settings: Partial<MuonSettings> = {}) {
    super(parameters, {
      lr: 1e-3,
      weightDecay: 0.1,
      momentum: 0.95,
      nesterov: true,
      coefficients: [3.4445, -4.775, 2.0315],
      eps: 1e-7,
      iterations: 5,
      adjustLr: "original",
      ...settings,
    });
    for (const { params, weightDecay, momentum, eps, iterations } of this.groups) {
      checkNotNegative("Muon", { weightDecay, momentum, eps, iterations });
      checkReal("Muon", params);
      const other = params.find(({ ndim }) => ndim !== 2);
      if (!other) continue;
      throw new TorchError(
        `Muon: a parameter has the shape [${other.shape}], and only matrices can be made orthogonal. Give the others to AdamW.`,
      );
    }
  }

  /** Moves every parameter that has a gradient. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) {
          const { lr, weightDecay, momentum, nesterov } = group;
          for (const { params, grads, state } of this.buckets(group)) {
            _foreachLerp_(state.momentumBuffer, grads, 1 - momentum);
            const updates = nesterov
              ? _foreachLerp(grads, state.momentumBuffer, momentum)
              : state.momentumBuffer;
            _foreachMul_(params, 1 - lr * weightDecay);
            params.forEach((parameter, i) => {
              const alpha = -lr * shapeFactor(parameter, group);
              scope(() => void parameter.add_(orthogonalized(updates[i]!, group), { alpha }));
            });
          }
        }
      }),
    );
  }

  protected stateNames(): "momentumBuffer"[] {
    return ["momentumBuffer"];
  }
}

function shapeFactor({ shape }: Tensor, { adjustLr }: MuonSettings): number {
  const [rows, columns] = shape as [number, number];
  if (adjustLr === "matchRmsAdamW") return 0.2 * Math.sqrt(Math.max(rows, columns));
  return Math.sqrt(Math.max(1, rows / columns));
}

/** U V^T of a matrix U S V^T, roughly: X = a X + (b A + c A²) X with A = X X^T, a few times. */
function orthogonalized(matrix: Tensor, { coefficients: [a, b, c], eps, iterations }: MuonSettings): Tensor {
  const [rows, columns] = matrix.shape as [number, number];
  const turned = (x: Tensor) => (rows > columns ? x.t() : x); // the smaller of both Gram matrices
  let x = turned(matrix.to("bfloat16")); // [m, n] with m <= n
  x = x.div(x.norm().clamp({ min: eps }));
  for (let turn = 0; turn < iterations; turn++) {
    const gram = x.mm(x.t()); // [m, m]
    x = x.addmm(gram.addmm(gram, gram, { beta: b, alpha: c }), x, { beta: a });
  }
  return turned(x);
}
