import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { keep, scope, TorchError } from "../tensor/index.ts";
import { checkNotNegative, type OptimizerState, type Parameters } from "./optimizer.ts";
import { checkReal, SteppedOptimizer } from "./stepped.ts";

export interface AdafactorSettings {
  /** Upper limit of the relative step. Default 0.01. */
  lr: number;
  /** Exponent of the decay: 1 - β2 is step^beta2Decay. Default -0.8. */
  beta2Decay: number;
  /** Least root of a mean square (null: the dtype's precision), and least size of a parameter for its step. Default [null, 0.001]. */
  eps: readonly [number | null, number];
  /** d of the paper: updates of a larger root mean square are scaled down to it. Default 1. */
  clipThreshold: number;
  /** Decoupled, as AdamW's. Default 0. */
  weightDecay: number;
  /** Climbs instead of descending. Default false. */
  maximize: boolean;
}

/** Means of squares: over rows and over columns of matrices, of each element of vectors. */
type Variances = Readonly<Record<string, Tensor>>;

/**
 * Adafactor (Shazeer and Stern 2018, algorithms 4 and 5, in PyTorch's form): Adam without momentum whose mean of squares is
 * the outer product of its rows' and columns' means, so that a matrix [R, C] has a state of R + C numbers.
 */
export class Adafactor extends SteppedOptimizer<AdafactorSettings, never> {
  readonly #variances = new Map<Tensor, Variances>();

  /** Settings as in PyTorch: lr 0.01, beta2Decay -0.8, eps [null, 0.001], clipThreshold 1. */
  constructor(parameters: Parameters<AdafactorSettings>, settings: Partial<AdafactorSettings> = {}) {
    super(parameters, {
      lr: 0.01,
      beta2Decay: -0.8,
      eps: [null, 1e-3],
      clipThreshold: 1,
      weightDecay: 0,
      maximize: false,
      ...settings,
    });
    for (const { params, beta2Decay, eps, clipThreshold, weightDecay } of this.groups) {
      checkNotNegative("Adafactor", {
        "-beta2Decay": -beta2Decay,
        eps1: eps[0] ?? 0,
        eps2: eps[1],
        weightDecay,
      });
      checkReal("Adafactor", params);
      if (!(clipThreshold >= 1)) {
        throw new TorchError(`Adafactor: clipThreshold is ${clipThreshold}. Choose a number from 1 on.`);
      }
    }
  }

  /** Moves every parameter that has a gradient. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) {
          for (const { params, grads } of this.buckets(group)) {
            const steps = this.count(params);
            params.forEach((parameter, i) => {
              const gradient = group.maximize ? grads[i]!.neg() : grads[i]!;
              scope(() => move(parameter, gradient, this.#variancesOf(parameter), steps[i]!, group));
            });
          }
        }
      }),
    );
  }

  protected stateNames(): never[] {
    return [];
  }

  override stateDict(): OptimizerState {
    const state = super.stateDict();
    const tensors = this.parameters().flatMap((parameter, i) =>
      Object.entries(this.#variances.get(parameter) ?? {}).map(([name, tensor]) => [`${i}.${name}`, tensor]),
    );
    return { ...state, tensors: { ...state.tensors, ...Object.fromEntries(tensors) } };
  }

  override loadStateDict(given: OptimizerState): void {
    const begun = this.parameters().flatMap((parameter, i) =>
      Object.hasOwn(given.tensors, `${i}.step`)
        ? [[parameter, variancesOf(given, i, parameter)] as const]
        : [],
    );
    super.loadStateDict(given);
    this.#clear();
    noGrad(() =>
      scope(() => {
        for (const [parameter, variances] of begun)
          this.#variances.set(parameter, copied(variances, parameter));
      }),
    );
  }

  override dispose(): void {
    super.dispose();
    this.#clear();
  }

  #variancesOf(parameter: Tensor): Variances {
    const known = this.#variances.get(parameter);
    const [first] = Object.values(known ?? {});
    if (known && first?.dtype === parameter.dtype && first.device === parameter.device) return known;
    const variances = known
      ? copied(known, parameter)
      : Object.fromEntries(
          Object.entries(shapes(parameter)).map(([name, shape]) => [name, keep(parameter.newZeros(shape))]),
        );
    for (const tensor of Object.values(known ?? {})) tensor.dispose();
    this.#variances.set(parameter, variances);
    return variances;
  }

  #clear(): void {
    for (const variances of this.#variances.values())
      for (const tensor of Object.values(variances)) tensor.dispose();
    this.#variances.clear();
  }
}

function move(
  parameter: Tensor,
  gradient: Tensor,
  variances: Variances,
  step: number,
  { lr, beta2Decay, eps, clipThreshold, weightDecay }: AdafactorSettings,
): void {
  const least = eps[0] ?? precisionOf(parameter);
  const size = parameter.norm().item() / Math.sqrt(parameter.numel);
  const rate = Math.max(eps[1], size) * Math.min(lr, 1 / Math.sqrt(step));
  if (weightDecay !== 0) parameter.mul_(1 - lr * weightDecay);
  const estimate = estimated(variances, gradient, step ** beta2Decay, least);
  const update = estimate
    .clamp_({ min: least * least })
    .rsqrt_()
    .mul_(gradient);
  const magnitude = update.norm().item() / (Math.sqrt(update.numel) * clipThreshold);
  parameter.add_(update, { alpha: -rate / Math.max(1, magnitude) });
}

/** Moves the means of squares by a share towards the gradient's, and gives those of each element. */
function estimated(
  { rowVar, colVar, variance }: Variances,
  gradient: Tensor,
  share: number,
  least: number,
): Tensor {
  const mean = (dim: number) =>
    gradient
      .linalgVectorNorm({ dim: [dim], keepdim: true })
      .square_()
      .div_(gradient.size(dim));
  if (!rowVar || !colVar) return variance!.lerp_(gradient.square(), share).clone();
  rowVar.lerp_(mean(-1), share); // [..., R, 1]
  colVar.lerp_(mean(-2), share); // [..., 1, C]
  return rowVar.matmul(colVar).div_(rowVar.mean([-2], { keepdim: true }).clamp_({ min: least }));
}

/** Distance of 1 to the next number. */
const PRECISION: Partial<Record<Tensor["dtype"], number>> = {
  float64: 2 ** -52,
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

function precisionOf({ dtype }: Tensor): number {
  const precision = PRECISION[dtype];
  if (precision !== undefined) return precision;
  throw new TorchError(
    `Adafactor does not know the precision of ${dtype}. Pass the first of "eps" yourself.`,
  );
}

function shapes({ shape, ndim }: Tensor): Record<string, number[]> {
  if (ndim < 2) return { variance: [...shape] };
  return { rowVar: [...shape.slice(0, -1), 1], colVar: [...shape.slice(0, -2), 1, shape.at(-1)!] };
}

function variancesOf({ tensors }: OptimizerState, i: number, parameter: Tensor): Variances {
  const found = Object.entries(shapes(parameter)).map(([name, shape]) => {
    const tensor = tensors[`${i}.${name}`];
    if (tensor && `${tensor.shape}` === `${shape}`) return [name, tensor] as const;
    const problem = tensor
      ? `"${i}.${name}" has the shape [${tensor.shape}]`
      : `the state lacks "${i}.${name}"`;
    throw new TorchError(
      `Adafactor.loadStateDict: ${problem}, and its parameter needs [${shape}]. Make the optimizer as it was made when its state was saved.`,
    );
  });
  return Object.fromEntries(found);
}

function copied(variances: Variances, { dtype, device }: Tensor): Variances {
  const entries = Object.entries(variances);
  return Object.fromEntries(
    entries.map(([name, tensor]) => [name, keep(tensor.to({ dtype, device, copy: true }))]),
  );
}
