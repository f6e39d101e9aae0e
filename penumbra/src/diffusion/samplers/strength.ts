import type { SchedulerConfig } from "../model/index.ts";
import { defaultSampler, readySampler, type SamplerChoice } from "./samplers.ts";

/** What a strength means for a given number of steps. */
export interface ResolvedStrength {
  /** Index of the first timestep that is sampled; equal to the number of timesteps where none is. */
  readonly startIndex: number;
  /** The timestep to which the image is noised, higher = noisier; null where no step is taken. */
  readonly timestep: number | null;
  /** Share of the image's amplitude that is left there: sqrt(abar). */
  readonly signal: number;
  /** Amplitude of the noise there: sqrt(1 - abar). */
  readonly noise: number;
  /** Calls of the denoiser. */
  readonly calls: number;
}

/**
 * Resolves the strength of image-to-image sampling (SDEdit, Meng et al. 2022) exactly as diffusers does:
 * sampling begins min(floor(steps * strength), steps) steps before the end.
 *
 * Strength is quantised to 1 / steps; strength 1 is almost, not quite, generation from noise: `signal` of the
 * image is left. Where no step is left (strength below 1 / steps) the image goes through the autoencoder only.
 *
 * @param strength 0: the image as it is … 1: almost pure noise
 * @param sampler whose timesteps count; default: the model's
 * @throws DiffusionError for a strength outside 0 … 1
 * @example resolveStrength(sd.schedulerConfig, 50, 0.25) // { startIndex: 38, timestep: 221, signal: 0.845, … }
 */
export function resolveStrength(
  config: SchedulerConfig,
  steps: number,
  strength: number,
  sampler: SamplerChoice = defaultSampler(config),
): ResolvedStrength {
  const ready = readySampler(sampler);
  const { timesteps, start } = ready.walk(config, steps, strength);
  const timestep = timesteps[start] ?? null;
  const abar = timestep === null ? 1 : ready.alphaAt(config, timestep);
  const calls = timesteps.length - start;
  return { startIndex: start, timestep, signal: Math.sqrt(abar), noise: Math.sqrt(1 - abar), calls };
}

/**
 * The smallest strength with which one denoising step is taken, rounded up to a thousandth where steps allow it.
 *
 * @param steps from pure noise to the image
 */
export function smallestStrength(steps: number): number {
  const thousandths = Math.ceil(1000 / steps);
  const rounded = thousandths / 1000;
  return Math.floor(steps * rounded) >= 1 ? rounded : (thousandths + 1) / 1000;
}
