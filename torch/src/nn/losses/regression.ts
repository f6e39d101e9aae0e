import type { Tensor } from "../../tensor/index.ts";
import { poissonNllLoss, TorchError } from "../../tensor/index.ts";
import { Loss, type LossOptions } from "./loss.ts";

/** (x - y)^2 */
export class MSELoss extends Loss {
  constructor({ reduction }: LossOptions = {}) {
    super(reduction);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return input.mseLoss(target, { reduction: this.reduction });
  }
}

/** |x - y| */
export class L1Loss extends Loss {
  constructor({ reduction }: LossOptions = {}) {
    super(reduction);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return input.l1Loss(target, { reduction: this.reduction });
  }
}

/** (x - y)^2 / (2 beta) where |x - y| is below beta, |x - y| - beta / 2 elsewhere (Girshick 2015) */
export class SmoothL1Loss extends Loss {
  readonly beta: number;

  /** @param options.beta default 1 */
  constructor({ beta = 1, reduction }: { beta?: number } & LossOptions = {}) {
    super(reduction);
    this.beta = beta;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return input.smoothL1Loss(target, { reduction: this.reduction, beta: this.beta });
  }
}

/** (x - y)^2 / 2 where |x - y| is below delta, delta (|x - y| - delta / 2) elsewhere (Huber 1964) */
export class HuberLoss extends Loss {
  readonly delta: number;

  /** @param options.delta default 1 */
  constructor({ delta = 1, reduction }: { delta?: number } & LossOptions = {}) {
    super(reduction);
    this.delta = delta;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return input.huberLoss(target, { reduction: this.reduction, delta: this.delta });
  }
}

export interface PoissonNLLOptions extends LossOptions {
  /** Whether the input is the logarithm of the rate. Default true. */
  logInput?: boolean;
  /** Whether Stirling's approximation of log(y!) is added. Default false. */
  full?: boolean;
  /** Added to the rate before its logarithm, without `logInput`. Default 1e-8. */
  eps?: number;
}

/** Negative log-likelihood of counts: exp(x) - y x, or x - y log(x + eps) where the input is the rate itself. */
export class PoissonNLLLoss extends Loss {
  readonly #options: Required<Omit<PoissonNLLOptions, "reduction">>;

  constructor({ logInput = true, full = false, eps = 1e-8, reduction }: PoissonNLLOptions = {}) {
    super(reduction);
    this.#options = { logInput, full, eps };
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { logInput, full, eps } = this.#options;
    return poissonNllLoss(input, target, logInput, full, eps, this.reduction);
  }
}

export interface GaussianNLLOptions extends LossOptions {
  /** Whether log(2 π) / 2 is added. Default false. */
  full?: boolean;
  /** The smallest variance that counts. Default 1e-6. */
  eps?: number;
}

/** Negative log-likelihood of normal distributions (Nix and Weigend 1994): (log v + (x - y)^2 / v) / 2. */
export class GaussianNLLLoss extends Loss<[input: Tensor, target: Tensor, variance: Tensor]> {
  readonly #full: boolean;
  readonly #eps: number;

  constructor({ full = false, eps = 1e-6, reduction }: GaussianNLLOptions = {}) {
    super(reduction);
    this.#full = full;
    this.#eps = eps;
  }

  /**
   * @param input the means
   * @param variance of the means' shape, or with the last dimension 1 or left out: one for all of its elements
   * @throws TorchError for a negative variance, or one of another shape
   */
  forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    const misses = `${variance.shape}` !== `${input.shape}`;
    const v =
      misses && `${variance.shape}` === `${input.shape.slice(0, -1)}` ? variance.unsqueeze(-1) : variance;
    if (misses && (v.ndim !== input.ndim || v.shape.at(-1) !== 1)) {
      throw new TorchError(
        `GaussianNLLLoss: a variance of shape [${variance.shape}] does not belong to means of [${input.shape}]. Give it the means' shape, or 1 in the last dimension.`,
      );
    }
    if (v.lt(0).any().item() !== 0)
      throw new TorchError(
        "GaussianNLLLoss: a variance is negative. Predict its logarithm, or use softplus.",
      );
    const clamped = v.detach().clamp({ min: this.#eps }).add(v.sub(v.detach())); // gradients pass the clamp
    const losses = clamped.log().add(input.sub(target).square().div(clamped)).mul(0.5);
    return this.reduced(this.#full ? losses.add(0.5 * Math.log(2 * Math.PI)) : losses);
  }
}
