import { scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { alphasCumprod, DiffusionError, type SchedulerConfig } from "../model/index.ts";
import { ownFields } from "./levels.ts";
import { clipped, predictionOf } from "./prediction.ts";
import type { Sampler } from "./sampler.ts";
import { spacedTimesteps } from "./spacing.ts";

const settings = z.strictObject({});

const Fields = z.looseObject({
  variance_type: z
    .enum(["fixed_small", "fixed_small_log", "fixed_large", "learned_range"], {
      error: 'only "fixed_small", "fixed_small_log", "fixed_large" and "learned_range" are supported',
    })
    .default("fixed_small"),
});

/** Denoising diffusion probabilistic models (Ho et al. 2020, algorithm 2), also over a part of the timesteps. */
export const ddpm: Sampler & { readonly settings: typeof settings } = {
  title: "DDPM",
  description:
    "the sampling that the training objective comes from, with new noise in each step (Ho et al. 2020)",
  schedulers: ["DDPMScheduler", "UnCLIPScheduler"],
  settings,
  timesteps: spacedTimesteps,
  needsNoise: () => true,
  step: ({ config, timesteps }, { sample, output, index, noise }) => {
    const timestep = timesteps[index] as number;
    const { variance_type: type } = ownFields(Fields, config, "DDPM");
    const levels = posterior(config, timestep, timesteps[index + 1]);
    const next = scope(() => {
      const [prediction, ranges] = type === "learned_range" ? halves(output, sample) : [output, null];
      const image = clipped(config, predictionOf(config, sample, prediction, levels.abar).image);
      const mean = posteriorMean(levels, image, sample);
      if (timestep === 0) return mean;
      if (ranges) return mean.add(neededNoise(noise).mul(learnedDeviation(levels, ranges)));
      // "fixed_small_log" is the logarithm's way to the same number.
      const variance = type === "fixed_large" ? levels.beta : levels.variance;
      return mean.add(neededNoise(noise).mul(Math.sqrt(variance)));
    });
    return { sample: next, history: [] };
  },
};

interface Posterior {
  readonly abar: number;
  readonly abarPrevious: number;
  readonly beta: number;
  readonly variance: number;
}

/**
 * Levels of the posterior q(x_s | x_t, x0) for s before t (Ho et al. 2020, eq. 7).
 * @param previous the next cleaner timestep; none = the image itself
 */
function posterior(config: SchedulerConfig, timestep: number, previous: number | undefined): Posterior {
  const alphas = alphasCumprod(config);
  const abar = alphas[timestep] as number;
  const abarPrevious = previous === undefined ? 1 : (alphas[previous] as number);
  const beta = 1 - abar / abarPrevious;
  // As in diffusers, above 0: its logarithm is taken.
  const variance = Math.max(((1 - abarPrevious) / (1 - abar)) * beta, 1e-20);
  return { abar, abarPrevious, beta, variance };
}

/** The prediction and, of networks that learned the variance, where it lies in its range, -1 … 1. */
function halves(output: Tensor, sample: Tensor): [Tensor, Tensor] {
  if (output.shape[1] === 2 * (sample.shape[1] as number))
    return output.chunk(2, { dim: 1 }) as [Tensor, Tensor];
  throw new DiffusionError(
    `"variance_type" is "learned_range", for which a network gives twice the sample's ${sample.shape[1]} channels; this one gave ${output.shape[1]}. Set it to "fixed_small" in scheduler_config.json, or choose another sampler.`,
  );
}

/** Between the smallest and the largest variance, in logarithms (Nichol and Dhariwal 2021, eq. 15). */
function learnedDeviation({ variance, beta }: Posterior, ranges: Tensor): Tensor {
  const share = ranges.add(1).div(2);
  const log = share.mul(Math.log(beta)).add(share.neg().add(1).mul(Math.log(variance)));
  return log.div(2).exp();
}

/** The posterior's mean (Ho et al. 2020, eq. 7) for the predicted image. */
function posteriorMean({ abar, abarPrevious, beta }: Posterior, image: Tensor, sample: Tensor): Tensor {
  const toImage = (Math.sqrt(abarPrevious) * beta) / (1 - abar);
  const toSample = (Math.sqrt(1 - beta) * (1 - abarPrevious)) / (1 - abar);
  return image.mul(toImage).add(sample.mul(toSample));
}

/** @throws DiffusionError where a step that needs noise got none */
export function neededNoise(noise: Tensor | null | undefined): Tensor {
  if (noise) return noise;
  throw new DiffusionError("This sampler's steps need noise of the sample's shape, but none was given.");
}
