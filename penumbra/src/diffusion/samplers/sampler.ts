import type { Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { SchedulerConfig } from "../model/index.ts";

/** What one step starts from. */
export interface SamplerStep {
  /** [B, ...] at `timestep` */
  readonly sample: Tensor;
  /** What the denoiser predicted for it, of the same shape. */
  readonly output: Tensor;
  readonly timestep: number;
  /** Steps from pure noise to the image. */
  readonly steps: number;
  /** Standard normal, of the sample's shape; given where the sampler needs it. */
  readonly noise?: Tensor | null;
}

/**
 * A published algorithm that denoises step by step from noise to image: an entry of the table in index.ts. What it
 * says here is all that pipelines, strengths, configuration and manifests know of it.
 */
export interface Sampler<Settings extends object = object> {
  readonly title: string;
  /** One sentence for people. */
  readonly description: string;
  /** Names in scheduler_config.json ("_class_name") that ask for it; the first is the one that is written. */
  readonly schedulers: readonly [string, ...string[]];
  /** Its own settings, with defaults and descriptions: `redraw.samplers.NAME` of a study. */
  readonly settings: z.ZodType<Settings>;
  /**
   * The timesteps at which the denoiser is called, from the noisiest to the cleanest.
   * @param steps 1 … num_train_timesteps
   * @throws DiffusionError for another number of steps
   */
  timesteps(config: SchedulerConfig, steps: number): readonly number[];
  /** Whether steps need new noise. */
  needsNoise(settings: Settings): boolean;
  /** The sample at the next cleaner timestep. */
  step(config: SchedulerConfig, step: SamplerStep, settings: Settings): Tensor;
}
