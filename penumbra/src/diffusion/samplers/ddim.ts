import { scope } from "@penumbra/torch";
import { z } from "zod";
import { alphasCumprod, DiffusionError } from "../model/index.ts";
import { clipped, predictionOf } from "./prediction.ts";
import type { Sampler } from "./sampler.ts";
import { spacedTimesteps } from "./spacing.ts";

const settings = z.strictObject({
  eta: z.number().min(0).max(1).default(0).meta({
    description: "New noise in each step: 0 = none, the seed alone decides; 1 = as much as in DDPM",
  }),
});

/**
 * Denoising diffusion implicit models (Song et al. 2021, eq. 12): x_{t-1} = sqrt(abar_{t-1}) x0 + sqrt(1 - abar_{t-1} -
 * sigma^2) eps + sigma noise, with the predicted image x0, the predicted noise eps, and sigma by eq. 16.
 */
export const ddim: Sampler<z.output<typeof settings>> & { readonly settings: typeof settings } = {
  title: "DDIM",
  description: "one call of the denoiser a step, without new noise unless asked for (Song et al. 2021)",
  schedulers: ["DDIMScheduler"],
  settings,
  timesteps: spacedTimesteps,
  needsNoise: ({ eta }) => eta > 0,
  step: ({ config, steps, timesteps }, { sample, output, index, noise }, { eta }) => {
    const timestep = timesteps[index] as number;
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
    const next = scope(() => {
      const { image, eps } = predictionOf(config, sample, output, abarT);
      const direction = eps.mul(Math.sqrt(1 - abarPrevious - sigma ** 2));
      const mean = clipped(config, image).mul(Math.sqrt(abarPrevious)).add(direction);
      return sigma > 0 && noise ? mean.add(noise.mul(sigma)) : mean;
    });
    return { sample: next, history: [] };
  },
};
