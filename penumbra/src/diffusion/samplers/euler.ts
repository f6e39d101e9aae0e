import { scope } from "@penumbra/torch";
import { z } from "zod";
import type { SchedulerConfig } from "../model/index.ts";
import { ownFields, solverAlpha } from "./levels.ts";
import { predictionOf } from "./prediction.ts";
import type { Sampler, Walk } from "./sampler.ts";
import { checkSteps, spacedTimesteps } from "./spacing.ts";

const settings = z.strictObject({});

const off = z.literal(false, { error: "only false is supported" }).nullish();
const Fields = z.looseObject({
  use_karras_sigmas: off,
  use_exponential_sigmas: off,
  use_beta_sigmas: off,
  interpolation_type: z.literal("linear", { error: 'only "linear" is supported' }).optional(),
  timestep_type: z.literal("discrete", { error: 'only "discrete" is supported' }).optional(),
  final_sigmas_type: z.literal("zero", { error: 'only "zero" is supported' }).optional(),
});

/**
 * Euler's method on the probability flow in sigma (Karras et al. 2022, algorithm 2 without churn; k-diffusion's
 * `sample_euler`): with samples scaled to unit variance the step is x_s = sqrt(abar_s) x0 + sqrt(1 - abar_s) eps.
 */
export const euler: Sampler & { readonly settings: typeof settings } = {
  title: "Euler",
  description: "one call of the denoiser a step, without new noise, down to none at all (Karras et al. 2022)",
  schedulers: ["EulerDiscreteScheduler"],
  settings,
  timesteps: eulerTimesteps,
  alphaAt: solverAlpha,
  initialNoise: eulerNoise,
  needsNoise: () => false,
  step: ({ config, timesteps }, { sample, output, index }) => {
    const next = nextAlpha(config, timesteps[index + 1]);
    return {
      sample: scope(() => {
        const abar = solverAlpha(config, timesteps[index] as number);
        const { image, eps } = predictionOf(config, sample, output, abar);
        return image.mul(Math.sqrt(next)).add(eps.mul(Math.sqrt(1 - next)));
      }),
      history: [],
    };
  },
};

/** Euler's timesteps: of the spacing "linspace" they are not rounded. */
export function eulerTimesteps(config: SchedulerConfig, steps: number): readonly number[] {
  ownFields(Fields, config, "Euler's method");
  if (config.timestep_spacing !== "linspace") return spacedTimesteps(config, steps);
  const last = config.num_train_timesteps - 1;
  checkSteps(steps, last + 1);
  return Array.from({ length: steps }, (_, i) => (steps === 1 ? 0 : last * (1 - i / (steps - 1))));
}

/** diffusers' `init_noise_sigma`, in samples of unit variance: the schedule's own noise but for "leading". */
export function eulerNoise({ config, timesteps }: Walk): number {
  if (config.timestep_spacing === "leading") return 1;
  return Math.sqrt(1 - solverAlpha(config, timesteps[0] as number));
}

/** After the last timestep comes the image itself. */
export function nextAlpha(config: SchedulerConfig, timestep: number | undefined): number {
  return timestep === undefined ? 1 : solverAlpha(config, timestep);
}
