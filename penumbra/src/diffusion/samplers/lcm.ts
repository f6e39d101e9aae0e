import { scope } from "@penumbra/torch";
import { z } from "zod";
import { alphasCumprod, DiffusionError, type SchedulerConfig } from "../model/index.ts";
import { neededNoise } from "./ddpm.ts";
import { ownFields } from "./levels.ts";
import { clipped, predictionOf } from "./prediction.ts";
import type { Sampler } from "./sampler.ts";
import { checkSteps } from "./spacing.ts";

const settings = z.strictObject({});

const Fields = z.looseObject({
  original_inference_steps: z.int().positive().default(50),
  timestep_scaling: z.number().positive().default(10),
});

const fieldsOf = (config: SchedulerConfig) => ownFields(Fields, config, "LCM");

/** Deviation of the data that the boundary condition assumes. */
const SIGMA_DATA = 0.5;

/**
 * Multistep sampling of latent consistency models (Luo et al. 2023, algorithm 3), which are distilled to go from any of
 * some 50 timesteps to the image in one step: each step goes to the image and, but for the last, noises it again. The
 * steps of a strength spread over its share of these timesteps, as in diffusers.
 */
export const lcm: Sampler & { readonly settings: typeof settings } = {
  title: "LCM",
  description: "1 to 8 steps, for models (or their LoRA) that were distilled for it (Luo et al. 2023)",
  schedulers: ["LCMScheduler"],
  settings,
  maxSteps: (config) => fieldsOf(config).original_inference_steps,
  timesteps: (config, steps) => timestepsOf(config, steps, 1),
  walk: (config, steps, strength) => {
    const timesteps = strength === 0 ? [] : timestepsOf(config, steps, strength);
    return { config, steps, timesteps, start: 0 };
  },
  needsNoise: () => true,
  step: ({ config, timesteps }, { sample, output, index, noise }) => {
    const timestep = timesteps[index] as number;
    const next = timesteps[index + 1];
    const alphas = alphasCumprod(config);
    const scaled = timestep * fieldsOf(config).timestep_scaling;
    const skip = SIGMA_DATA ** 2 / (scaled ** 2 + SIGMA_DATA ** 2);
    const out = scaled / Math.sqrt(scaled ** 2 + SIGMA_DATA ** 2);
    return {
      sample: scope(() => {
        const { image } = predictionOf(config, sample, output, alphas[timestep] as number);
        const denoised = clipped(config, image).mul(out).add(sample.mul(skip));
        if (next === undefined) return denoised;
        const abar = alphas[next] as number;
        return denoised.mul(Math.sqrt(abar)).add(neededNoise(noise).mul(Math.sqrt(1 - abar)));
      }),
      history: [],
    };
  },
};

function timestepsOf(config: SchedulerConfig, steps: number, strength: number): number[] {
  const { original_inference_steps: original } = fieldsOf(config);
  checkSteps(steps, original);
  const stride = Math.floor(config.num_train_timesteps / original);
  const used = Math.floor(original * strength);
  if (used < steps) {
    throw new DiffusionError(
      `LCM spreads its ${steps} steps over the ${original} timesteps that the model was distilled for, of which a strength of ${strength} leaves ${used}. Choose a strength of at least ${(Math.ceil((100 * steps) / original) / 100).toFixed(2)}, or at most ${used} steps.`,
    );
  }
  return Array.from({ length: steps }, (_, i) => (used - Math.floor((i * used) / steps)) * stride - 1);
}
