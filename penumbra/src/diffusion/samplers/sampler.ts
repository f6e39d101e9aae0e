import type { Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { SchedulerConfig } from "../model/index.ts";

/** The way of an image from the noise that it begins with down to the image. */
export interface Walk {
  readonly config: SchedulerConfig;
  /** Steps from pure noise to the image. */
  readonly steps: number;
  /** Where the denoiser is called, from the noisiest to the cleanest; whole numbers unless Euler spaces them evenly. */
  readonly timesteps: readonly number[];
  /** Index of the first timestep that is sampled; the number of timesteps where none is. */
  readonly start: number;
}

/** What one step starts from. Samples are of variance abar x0^2 + (1 - abar), whatever the paper scales them to. */
export interface SamplerStep {
  /** [B, ...] at the timestep */
  readonly sample: Tensor;
  /** What the denoiser predicted for it, of the same shape. */
  readonly output: Tensor;
  /** Index of the timestep in the walk's. */
  readonly index: number;
  /** What the step before handed on; empty at the walk's start. */
  readonly history: readonly Tensor[];
  /** Standard normal, of the sample's shape; given where the sampler needs it. */
  readonly noise?: Tensor | null;
}

export interface SamplerStepResult {
  /** The sample at the next cleaner timestep. */
  readonly sample: Tensor;
  /** What the next step needs of this and earlier ones. */
  readonly history: readonly Tensor[];
}

/**
 * A published algorithm that denoises step by step from noise to image: an entry of the table in samplers.ts. What it
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
  /** The most steps that it can take; default num_train_timesteps. */
  maxSteps?(config: SchedulerConfig): number;
  /**
   * The timesteps at which the denoiser is called, from the noisiest to the cleanest.
   * @param steps 1 … maxSteps
   * @throws DiffusionError for another number of steps, or a configuration that it cannot follow
   */
  timesteps(config: SchedulerConfig, steps: number): readonly number[];
  /** The walk of a strength in 0 … 1 where that is not the end of `timesteps`, begun so many steps before its end. */
  walk?(config: SchedulerConfig, steps: number, strength: number): Walk;
  /** Share of the image's variance at a timestep; default `alphasCumprod`. */
  alphaAt?(config: SchedulerConfig, timestep: number): number;
  /** Deviation of the noise that generation from nothing begins with; default 1. */
  initialNoise?(walk: Walk): number;
  /** Whether steps need new noise. */
  needsNoise(settings: Settings): boolean;
  step(walk: Walk, step: SamplerStep, settings: Settings): SamplerStepResult;
}
