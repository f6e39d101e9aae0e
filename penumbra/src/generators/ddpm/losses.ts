import { keep, scope, type Tensor, tensor, where } from "@penumbra/torch";
import { alphasCumprod, type SchedulerConfig } from "../../diffusion/index.ts";

/** Mean squared error of what was predicted, all numbers weighing the same (Ho et al. 2020, eq. 14). */
export function simpleLoss(predicted: Tensor, target: Tensor): Tensor {
  return scope(() => predicted.sub(target).square().mean());
}

/** Levels of bytes lie so far apart in -1..1. */
const BIN = 2 / 255;

/**
 * The terms of the variational bound that teach a network its variance (Nichol and Dhariwal 2021, section 3.1): for
 * each image, in bits a number, KL(q(x_s | x_t, x0) || p(x_s | x_t)) with s = t - 1, at the first timestep the
 * discretised likelihood of the image's bytes (Ho et al. 2020, eq. 13). The predicted mean is not taught by it.
 */
export class VariationalBound {
  readonly #config: SchedulerConfig;
  readonly #table: Tensor;

  constructor(config: SchedulerConfig, device: string) {
    this.#config = config;
    const alphas = alphasCumprod(config);
    // Columns: abar, log of the smallest variance, log of the largest, weight of x0 and of x_t in the posterior's mean.
    const rows = Array.from(alphas, (abar, t) => {
      const before = alphas[t - 1] ?? 1;
      const beta = 1 - abar / before;
      const smallest = ((1 - before) / (1 - abar)) * beta;
      // At the first timestep it is 0; the next one stands for it, as in the paper's code.
      const second = alphas[1] ?? abar;
      const floor = ((1 - alphas[0]!) / (1 - second)) * (1 - second / alphas[0]!);
      return [
        abar,
        Math.log(t === 0 ? floor : smallest),
        Math.log(beta),
        (Math.sqrt(before) * beta) / (1 - abar),
        (Math.sqrt(1 - beta) * (1 - before)) / (1 - abar),
      ];
    });
    this.#table = keep(scope(() => tensor(rows, { dtype: "float32" }).to(device)));
  }

  /**
   * @param options.clean, options.noisy [B, ...] in -1..1
   * @param options.predicted [B, ...] by the schedule's `prediction_type`
   * @param options.ranges [B, ...] where the logarithm of the variance lies between its bounds, -1 … 1
   * @param options.timesteps int64 [B]
   * @returns [B]
   */
  terms(options: {
    readonly clean: Tensor;
    readonly noisy: Tensor;
    readonly predicted: Tensor;
    readonly ranges: Tensor;
    readonly timesteps: Tensor;
  }): Tensor {
    const { clean, noisy, predicted, ranges, timesteps } = options;
    return scope(() => {
      const shape = [-1, ...Array<number>(clean.ndim - 1).fill(1)];
      const [abar, smallest, largest, ofImage, ofSample] = this.#table
        .indexSelect(0, timesteps)
        .unbind({ dim: 1 })
        .map((values) => values.view(shape)) as [Tensor, Tensor, Tensor, Tensor, Tensor];
      const image = this.#image(predicted.detach(), noisy, abar);
      const meanOf = (x0: Tensor) => x0.mul(ofImage).add(noisy.mul(ofSample));
      const share = ranges.add(1).div(2);
      const log = share.mul(largest).add(share.neg().add(1).mul(smallest));
      const [mean, own] = [meanOf(clean), meanOf(image)];
      const kl = normalKl(mean, smallest, own, log);
      const first = bytesLogDensity(clean, own, log.mul(0.5)).neg();
      const perNumber = where(timesteps.eq(0).view(shape), first, kl).flatten({ startDim: 1 });
      return perNumber.mean([1]).div(Math.LN2);
    });
  }

  #image(predicted: Tensor, noisy: Tensor, abar: Tensor): Tensor {
    const [signal, sigma] = [abar.sqrt(), abar.neg().add(1).sqrt()];
    switch (this.#config.prediction_type) {
      case "epsilon":
        return noisy.sub(predicted.mul(sigma)).div(signal).clamp({ min: -1, max: 1 });
      case "sample":
        return predicted;
      case "v_prediction":
        return noisy.mul(signal).sub(predicted.mul(sigma)).clamp({ min: -1, max: 1 });
    }
  }
}

/** KL(N(mean1, exp(log1)) || N(mean2, exp(log2))), number by number. */
export function normalKl(mean1: Tensor, log1: Tensor, mean2: Tensor, log2: Tensor): Tensor {
  return scope(() =>
    log2
      .sub(log1)
      .sub(1)
      .add(log1.sub(log2).exp())
      .add(mean1.sub(mean2).square().mul(log2.neg().exp()))
      .mul(0.5),
  );
}

/** Logarithm of the probability of a byte's bin under N(mean, exp(2 logDeviation)); the outermost bins are open. */
function bytesLogDensity(x: Tensor, mean: Tensor, logDeviation: Tensor): Tensor {
  const scale = logDeviation.neg().exp();
  const below = (offset: number) => x.sub(mean).add(offset).mul(scale).div(Math.SQRT2).erf().add(1).div(2);
  const [upper, lower] = [below(BIN / 2), below(-BIN / 2)];
  const log = (p: Tensor) => p.clamp({ min: 1e-12 }).log();
  const inner = log(upper.sub(lower));
  return where(x.lt(-0.999), log(upper), where(x.gt(0.999), log(lower.neg().add(1)), inner));
}
