import { scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { alphasCumprod, DiffusionError, type SchedulerConfig } from "../model/index.ts";
import type { Sampler, SamplerStep } from "./sampler.ts";

const settings = z.strictObject({
  eta: z.number().min(0).max(1).default(0).meta({
    description: "New noise in each step: 0 = none, the seed alone decides; 1 = as much as in DDPM",
  }),
});

type DdimSettings = z.output<typeof settings>;

/** Denoising diffusion implicit models (Song et al. 2021). */
export const ddim: Sampler<DdimSettings> & { readonly settings: typeof settings } = {
  title: "DDIM",
  description: "one call of the denoiser a step, without new noise unless asked for (Song et al. 2021)",
  schedulers: ["DDIMScheduler"],
  settings,
  timesteps: ddimTimesteps,
  needsNoise: ({ eta }) => eta > 0,
  step: (config, step, { eta }) => ddimStep(config, { ...step, eta }),
};

/**
 * The timesteps that DDIM calls the denoiser at, from the noisiest to the cleanest (Lin et al. 2024, table 2, for the spacings; diffusers'
 * rounding).
 *
 * @param steps 1 … num_train_timesteps
 * @throws DiffusionError for another number of steps
 */
export function ddimTimesteps(config: SchedulerConfig, steps: number): number[] {
  const { num_train_timesteps: count, timestep_spacing: spacing, steps_offset: offset } = config;
  if (!Number.isInteger(steps) || steps < 1 || steps > count) {
    throw new DiffusionError(
      `steps is ${steps}; sampling takes 1 … ${count} steps. Choose a whole number in that range.`,
    );
  }
  if (spacing === "leading" && Math.floor(count / steps) * (steps - 1) + offset >= count) {
    throw new DiffusionError(
      `${steps} steps with "steps_offset" ${offset} begin after the last timestep, ${count - 1}. Choose fewer steps.`,
    );
  }
  const ascending = Array.from({ length: steps }, (_, i) => i);
  if (spacing === "leading") {
    const stride = Math.floor(count / steps);
    return ascending.map((i) => i * stride + offset).reverse();
  }
  if (spacing === "trailing") return ascending.map((i) => roundHalfEven(count - (i * count) / steps) - 1);
  const last = count - 1;
  return ascending.map((i) => roundHalfEven(steps === 1 ? 0 : (i * last) / (steps - 1))).reverse();
}

export interface DdimStep extends SamplerStep {
  /** 0 (default): deterministic; 1: as much new noise as in DDPM, for which `noise` must be given. */
  readonly eta?: number;
}

/**
 * One step to the next cleaner timestep (Song et al. 2021, "Denoising diffusion implicit models", eq. 12):
 * x_{t-1} = sqrt(abar_{t-1}) x0 + sqrt(1 - abar_{t-1} - sigma^2) eps + sigma noise, with the predicted image x0,
 * the predicted noise eps, and sigma by eq. 16.
 *
 * @throws DiffusionError when eta > 0 comes without noise
 */
export function ddimStep(config: SchedulerConfig, step: DdimStep): Tensor {
  const { sample, output, timestep, steps, eta = 0, noise = null } = step;
  const abar = alphasCumprod(config);
  const previous = timestep - Math.floor(config.num_train_timesteps / steps);
  const abarT = abar[timestep] as number;
  const beyond = config.set_alpha_to_one ? 1 : (abar[0] as number);
  const abarPrevious = previous >= 0 ? (abar[previous] as number) : beyond;
  const sigma = eta * Math.sqrt(((1 - abarPrevious) / (1 - abarT)) * (1 - abarT / abarPrevious));
  if (sigma > 0 && !noise) {
    throw new DiffusionError(
      `eta is ${eta}, but no noise was given. Pass noise of the sample's shape, or eta 0.`,
    );
  }
  return scope(() => {
    const { image, eps } = predictions(config, sample, output, abarT);
    const next = image.mul(Math.sqrt(abarPrevious)).add(eps.mul(Math.sqrt(1 - abarPrevious - sigma ** 2)));
    return sigma > 0 && noise ? next.add(noise.mul(sigma)) : next;
  });
}

/** The image and the noise that a denoiser's output stands for. */
function predictions(config: SchedulerConfig, sample: Tensor, output: Tensor, abar: number) {
  const [signal, sigma] = [Math.sqrt(abar), Math.sqrt(1 - abar)];
  let image: Tensor;
  let eps: Tensor;
  switch (config.prediction_type) {
    case "epsilon":
      image = sample.sub(output.mul(sigma)).div(signal);
      eps = output;
      break;
    case "sample":
      image = output;
      eps = sample.sub(output.mul(signal)).div(sigma);
      break;
    case "v_prediction":
      image = sample.mul(signal).sub(output.mul(sigma));
      eps = output.mul(signal).add(sample.mul(sigma));
  }
  const range = config.clip_sample_range;
  // As in diffusers, the noise stays what it was predicted to be when the image is clipped.
  return { image: config.clip_sample ? image.clamp({ min: -range, max: range }) : image, eps };
}

/** numpy's rounding, which diffusers' timesteps go through. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
