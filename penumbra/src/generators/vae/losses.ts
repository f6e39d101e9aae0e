import { binaryCrossEntropyWithLogits, scope, type Tensor } from "@penumbra/torch";
import type { Posterior } from "../../models/index.ts";

/** What the decoder's output says of the pixels: a distribution for each. */
export interface Likelihood {
  readonly description: string;
  /** log p(x | z), summed over all but the first dimension: [B]. @param x in -1..1 @param output of the decoder */
  logDensity(x: Tensor, output: Tensor): Tensor;
  /** The distribution's mean, in -1..1. */
  mean(output: Tensor): Tensor;
}

const sums = (values: Tensor) => values.flatten({ startDim: 1 }).sum([1]);

/**
 * The likelihoods of the papers. Squared error is a normal distribution of unit variance about the output, absolute
 * error a Laplace distribution of unit scale, and cross-entropy takes brightness as a probability (Kingma and Welling
 * 2014, appendix C).
 */
export const LIKELIHOODS = {
  mse: {
    description: "squared error: normal, of unit variance",
    logDensity: (x, output) =>
      scope(() =>
        sums(
          output
            .sub(x)
            .square()
            .add(Math.log(2 * Math.PI))
            .mul(-0.5),
        ),
      ),
    mean: (output) => output,
  },
  l1: {
    description: "absolute error: Laplace, of unit scale",
    logDensity: (x, output) => scope(() => sums(output.sub(x).abs().add(Math.LN2).neg())),
    mean: (output) => output,
  },
  bernoulli: {
    description: "cross-entropy: brightness as a probability, the output its logit",
    logDensity: (x, output) => scope(() => bernoulliLogDensity(x.add(1).div(2), output)),
    mean: (output) => scope(() => output.sigmoid().mul(2).sub(1)),
  },
} as const satisfies Readonly<Record<string, Likelihood>>;

export type LikelihoodName = keyof typeof LIKELIHOODS;
export const likelihoodNames = Object.keys(LIKELIHOODS) as [LikelihoodName, ...LikelihoodName[]];

/** sum_i x_i log p_i + (1 - x_i) log(1 - p_i), p = sigmoid(logits). @param x01 in 0..1 @returns [B] */
export function bernoulliLogDensity(x01: Tensor, logits: Tensor): Tensor {
  return scope(() => sums(binaryCrossEntropyWithLogits(logits, x01, { reduction: "none" }).neg()));
}

/**
 * KL divergence of N(mean, exp(logvar)) from N(0, 1) for each latent number:
 * (mean^2 + exp(logvar) - 1 - logvar) / 2 (Kingma and Welling 2014, appendix B).
 *
 * @returns [B, D]
 */
export function klOfLatents({ mean, logvar }: Posterior): Tensor {
  return scope(() => mean.square().add(logvar.exp()).sub(1).sub(logvar).mul(0.5));
}

/**
 * The KL divergence of a batch with free bits (Kingma et al. 2016, section 4.2.1): sum_d max(freeBits, mean_b KL_bd).
 * Latent numbers that carry less than that are not pushed down further; 0 gives the mean KL of an image.
 *
 * @param kl [B, D]
 * @param freeBits in nats a latent number
 * @returns a scalar
 */
export function freeKl(kl: Tensor, freeBits: number): Tensor {
  return scope(() => {
    const means = kl.mean([0]);
    return (freeBits === 0 ? means : means.clamp({ min: freeBits })).sum();
  });
}

/**
 * What is minimised: -mean(log p(x | z)) + beta KL (beta 1: the negative ELBO of Kingma and Welling 2014, eq. 3; other
 * betas: Higgins et al. 2017, eq. 4).
 *
 * @param logDensity [B] @param kl a scalar, see `freeKl`
 */
export function negativeElbo(logDensity: Tensor, kl: Tensor, beta: number): Tensor {
  return scope(() => kl.mul(beta).sub(logDensity.mean()));
}
