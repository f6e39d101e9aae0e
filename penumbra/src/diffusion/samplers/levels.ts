import type { z } from "zod";
import { alphasCumprod, DiffusionError, type SchedulerConfig } from "../model/index.ts";

/** What diffusers takes for the signal that is left where there is none: its sigma is then finite. */
const LEAST_ALPHA = 2 ** -24;

/**
 * Share of the image's variance at a timestep, as solvers in sigma = sqrt((1 - abar) / abar) need it: never 0, and between
 * two timesteps by a straight line in sigma (diffusers' `np.interp`).
 */
export function solverAlpha(config: SchedulerConfig, timestep: number): number {
  const abar = alphasCumprod(config);
  const sigmaAt = (t: number) => sigmaOf(Math.max(abar[t] as number, LEAST_ALPHA));
  const below = Math.floor(timestep);
  if (below === timestep) return Math.max(abar[timestep] as number, LEAST_ALPHA);
  const share = timestep - below;
  return 1 / (1 + (sigmaAt(below) * (1 - share) + sigmaAt(below + 1) * share) ** 2);
}

/** Noise over signal: sqrt((1 - abar) / abar). */
export function sigmaOf(abar: number): number {
  return Math.sqrt((1 - abar) / abar);
}

/** Half of the logarithm of the signal-to-noise ratio: log(sqrt(abar) / sqrt(1 - abar)). */
export function lambdaOf(abar: number): number {
  return Math.log(Math.sqrt(abar)) - Math.log(Math.sqrt(1 - abar));
}

/**
 * The fields of scheduler_config.json that one sampler alone reads.
 * @throws DiffusionError naming every field with a value that the sampler cannot follow
 */
export function ownFields<Fields>(schema: z.ZodType<Fields>, config: SchedulerConfig, title: string): Fields {
  const result = schema.safeParse(config);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `field "${path.join(".")}": ${message}`);
  throw new DiffusionError(
    `${title} cannot follow this model's scheduler_config.json: ${problems.join("; ")}. Correct the field, or choose another sampler.`,
  );
}
