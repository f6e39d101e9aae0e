import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import {
  _foreachAdd_,
  _foreachAddcdiv_,
  _foreachAddcmul_,
  _foreachDiv,
  _foreachDiv_,
  _foreachLerp_,
  _foreachMul_,
  _foreachSqrt,
  _foreachSqrt_,
  scope,
} from "../tensor/index.ts";
import { type Bucket, checkNotNegative, type OptimizerState, type Parameters } from "./optimizer.ts";
import { checkBetas, checkReal, SteppedOptimizer, slopesOf } from "./stepped.ts";

export interface RadamSettings {
  lr: number;
  /** Decay of the means of gradients and of their squares. */
  betas: readonly [number, number];
  /** Added to the denominator. */
  eps: number;
  weightDecay: number;
  /** Decays parameters as AdamW does, instead of adding to the gradient. Default false. */
  decoupledWeightDecay: boolean;
  /** Climbs instead of descending. */
  maximize: boolean;
}

export interface NadamSettings extends RadamSettings {
  /** How slowly the momentum grows towards its decay. Default 0.004. */
  momentumDecay: number;
}

type Moment = "expAvg" | "expAvgSq";

abstract class AdamVariant<Settings extends RadamSettings> extends SteppedOptimizer<Settings, Moment> {
  constructor(parameters: Parameters<Settings>, settings: Settings) {
    super(parameters, settings);
    for (const { params, betas, eps, weightDecay } of this.groups) {
      checkBetas(new.target.name, betas);
      checkNotNegative(new.target.name, { eps, weightDecay });
      checkReal(new.target.name, params);
    }
  }

  /** Moves every parameter that has a gradient. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) {
          for (const bucket of this.buckets(group)) {
            const slopes = prepared(bucket, group);
            this.move(bucket, slopes, this.count(bucket.params), group);
          }
        }
      }),
    );
  }

  protected abstract move(
    bucket: Bucket<Moment>,
    slopes: Tensor[],
    steps: number[],
    settings: Settings,
  ): void;

  protected stateNames(): Moment[] {
    return ["expAvg", "expAvgSq"];
  }
}

/** Decays the parameters and moves both means; gives the slopes. */
function prepared(bucket: Bucket<Moment>, settings: RadamSettings): Tensor[] {
  const { lr, betas, weightDecay, decoupledWeightDecay, maximize } = settings;
  if (decoupledWeightDecay && weightDecay !== 0) _foreachMul_(bucket.params, 1 - lr * weightDecay);
  const slopes = slopesOf(bucket, { maximize, weightDecay: decoupledWeightDecay ? 0 : weightDecay });
  const { expAvg, expAvgSq } = bucket.state;
  _foreachLerp_(expAvg, slopes, 1 - betas[0]);
  _foreachMul_(expAvgSq, betas[1]);
  _foreachAddcmul_(expAvgSq, slopes, slopes, { value: 1 - betas[1] });
  return slopes;
}

/**
 * Adam with Nesterov's momentum (Dozat 2016), in PyTorch's form: with μ_t = β1 (1 - 0.96^(t momentumDecay) / 2),
 * p -= lr ((1 - μ_t) g / (1 - ∏μ) + μ_(t+1) m / (1 - ∏μ μ_(t+1))) / (sqrt(v̂) + eps).
 */
export class NAdam extends AdamVariant<NadamSettings> {
  /** ∏μ of each parameter. */
  readonly #products = new Map<Tensor, number>();

  /** Settings as in PyTorch: lr 0.002, betas [0.9, 0.999], eps 1e-8, momentumDecay 0.004. */
  constructor(parameters: Parameters<NadamSettings>, settings: Partial<NadamSettings> = {}) {
    super(parameters, {
      lr: 2e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      momentumDecay: 4e-3,
      decoupledWeightDecay: false,
      maximize: false,
      ...settings,
    });
    for (const { momentumDecay } of this.groups) checkNotNegative("NAdam", { momentumDecay });
  }

  protected move(
    { params, state }: Bucket<Moment>,
    slopes: Tensor[],
    steps: number[],
    { lr, betas, eps, momentumDecay }: NadamSettings,
  ): void {
    const mu = (step: number) => betas[0] * (1 - 0.5 * 0.96 ** (step * momentumDecay));
    const spread = _foreachDiv(
      state.expAvgSq,
      steps.map((step) => 1 - betas[1] ** step),
    );
    _foreachSqrt_(spread);
    _foreachAdd_(spread, eps);
    const products = params.map((parameter, i) => {
      const product = (this.#products.get(parameter) ?? 1) * mu(steps[i]!);
      this.#products.set(parameter, product);
      return product;
    });
    const ofSlope = steps.map((step, i) => (-lr * (1 - mu(step))) / (1 - products[i]!));
    const ofMean = steps.map((step, i) => (-lr * mu(step + 1)) / (1 - products[i]! * mu(step + 1)));
    _foreachAddcdiv_(params, slopes, spread, ofSlope);
    _foreachAddcdiv_(params, state.expAvg, spread, ofMean);
  }

  override stateDict(): OptimizerState {
    const state = super.stateDict();
    const products = this.parameters().flatMap((parameter, i) => {
      const product = this.#products.get(parameter);
      return product === undefined ? [] : [[`${i}.muProduct`, product]];
    });
    return { ...state, numbers: { ...state.numbers, ...Object.fromEntries(products) } };
  }

  override loadStateDict(given: OptimizerState): void {
    super.loadStateDict(given);
    this.#products.clear();
    this.parameters().forEach((parameter, i) => {
      const product = given.numbers[`${i}.muProduct`];
      if (product !== undefined) this.#products.set(parameter, product);
    });
  }
}

/**
 * Rectified Adam (Liu et al. 2020, algorithm 2): Adam's step, scaled by r_t for the variance of v̂; while that is not
 * tractable (ρ_t <= 5), a step along the mean of the gradients alone.
 */
export class RAdam extends AdamVariant<RadamSettings> {
  /** Settings as in PyTorch: lr 0.001, betas [0.9, 0.999], eps 1e-8. */
  constructor(parameters: Parameters<RadamSettings>, settings: Partial<RadamSettings> = {}) {
    super(parameters, {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      decoupledWeightDecay: false,
      maximize: false,
      ...settings,
    });
  }

  protected move(
    { params, state }: Bucket<Moment>,
    _slopes: Tensor[],
    steps: number[],
    { lr, betas, eps }: RadamSettings,
  ): void {
    const rates = steps.map((step) => -lr / (1 - betas[0] ** step));
    const scales = steps.map((step) => rectification(step, betas[1]));
    const chosen = <T>(items: readonly T[], isRectified: boolean) =>
      items.filter((_item, i) => (scales[i] !== undefined) === isRectified);
    const plain = chosen(params, false);
    if (plain.length > 0) {
      const means = chosen(state.expAvg, false);
      _foreachAddcdiv_(
        plain,
        means,
        means.map((mean) => mean.onesLike()),
        chosen(rates, false),
      );
    }
    const rectified = chosen(params, true);
    if (rectified.length === 0) return;
    const spread = _foreachSqrt(chosen(state.expAvgSq, true));
    _foreachAdd_(spread, eps);
    _foreachDiv_(spread, chosen(scales as number[], true));
    _foreachAddcdiv_(rectified, chosen(state.expAvg, true), spread, chosen(rates, true));
  }
}

/** r_t sqrt(1 - β2^t), or undefined while ρ_t <= 5. */
function rectification(step: number, beta2: number): number | undefined {
  const correction = 1 - beta2 ** step;
  const limit = 2 / (1 - beta2) - 1; // ρ_∞
  const length = limit - (2 * step * beta2 ** step) / correction; // ρ_t
  if (length <= 5) return undefined;
  const ratio = ((length - 4) * (length - 2) * limit) / ((limit - 4) * (limit - 2) * length);
  return Math.sqrt(ratio * correction);
}
