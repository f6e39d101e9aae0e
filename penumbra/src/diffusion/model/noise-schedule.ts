import { scope, type Tensor, tensor } from "@penumbra/torch";
import { z } from "zod";
import { DiffusionError } from "./errors.ts";

const Supported = <const Value extends boolean | null>(value: Value) =>
  z.literal(value, { error: `only ${value} is supported` }).default(value as never);

/**
 * scheduler_config.json, whatever scheduler it was written for: the noise schedule is the same for all, so a model
 * published with one sampler (PNDM) can be sampled by another. Fields of other schedulers are kept, but not used.
 */
const SchedulerConfigSchema = z.looseObject({
  _class_name: z.string().default("DDIMScheduler"),
  num_train_timesteps: z.int().positive().default(1000),
  beta_start: z.number().positive().default(0.00085),
  beta_end: z.number().positive().default(0.012),
  beta_schedule: z.enum(["linear", "scaled_linear"]).default("scaled_linear"),
  prediction_type: z.enum(["epsilon", "v_prediction", "sample"]).default("epsilon"),
  steps_offset: z.int().nonnegative().default(1),
  timestep_spacing: z.enum(["leading", "trailing", "linspace"]).default("leading"),
  set_alpha_to_one: z.boolean().default(false),
  // Latents are not confined to -1..1: a file that says nothing must not clip them.
  clip_sample: z.boolean().default(false),
  clip_sample_range: z.number().positive().default(1),
  thresholding: Supported(false),
  rescale_betas_zero_snr: Supported(false),
  trained_betas: Supported(null),
});

/** The complete configuration of a noise schedule and of its sampling, by diffusers' names. */
export type SchedulerConfig = z.output<typeof SchedulerConfigSchema>;

/**
 * Checks a scheduler's configuration and fills in the values of Stable Diffusion 1.x.
 * @throws DiffusionError naming the place and every field that is wrong or not supported
 */
export function parseSchedulerConfig(
  raw: Readonly<Record<string, unknown>> = {},
  where = "Scheduler",
): SchedulerConfig {
  const result = SchedulerConfigSchema.safeParse(raw);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `field "${issue.path.join(".")}": ${issue.message}`);
  throw new DiffusionError(`${where}: ${problems.join("; ")}. Correct the field or use another model.`);
}

const cumulated = new Map<string, Float64Array>();

/**
 * The share of the image's variance that is left at each timestep: abar_t = prod_{s <= t} (1 - beta_s) (Ho et al.
 * 2020, eq. 4), betas linear in t or, for "scaled_linear", the squares of a linear sequence.
 *
 * @returns num_train_timesteps numbers, falling from almost 1 to almost 0; shared, not to be written to
 */
export function alphasCumprod(config: SchedulerConfig): Float64Array {
  const { num_train_timesteps: count, beta_start: start, beta_end: end, beta_schedule: kind } = config;
  const key = `${count} ${start} ${end} ${kind}`;
  const known = cumulated.get(key);
  if (known) return known;
  const root = kind === "scaled_linear" ? 0.5 : 1;
  const [first, last] = [start ** root, end ** root];
  const alphas = new Float64Array(count);
  let product = 1;
  for (let t = 0; t < count; t++) {
    const beta = (first + ((last - first) * t) / Math.max(count - 1, 1)) ** (1 / root);
    product *= 1 - beta;
    alphas[t] = product;
  }
  cumulated.set(key, alphas);
  return alphas;
}

/** One timestep for all items of a batch, or one for each; null stands for the image itself, without noise. */
export type Timesteps = number | readonly (number | null)[];

/**
 * Noises images or latents to the given timesteps: sqrt(abar_t) x0 + sqrt(1 - abar_t) noise (Ho et al. 2020, eq. 4).
 * @param x0 [B, ...] @param noise of the same shape
 */
export function addNoise(config: SchedulerConfig, x0: Tensor, noise: Tensor, timesteps: Timesteps): Tensor {
  return scope(() => {
    const { signal, sigma } = levels(config, timesteps, x0);
    return x0.mul(signal).add(noise.mul(sigma));
  });
}

/** v = sqrt(abar_t) noise - sqrt(1 - abar_t) x0 (Salimans and Ho 2022, appendix D). */
export function velocity(config: SchedulerConfig, x0: Tensor, noise: Tensor, timesteps: Timesteps): Tensor {
  return scope(() => {
    const { signal, sigma } = levels(config, timesteps, x0);
    return noise.mul(signal).sub(x0.mul(sigma));
  });
}

/** What a denoiser with this configuration learns to predict: noise, velocity or image. */
export function trainingTarget(
  config: SchedulerConfig,
  x0: Tensor,
  noise: Tensor,
  timesteps: Timesteps,
): Tensor {
  if (config.prediction_type === "epsilon") return noise;
  return config.prediction_type === "sample" ? x0 : velocity(config, x0, noise, timesteps);
}

/** Signal sqrt(abar_t) and noise sqrt(1 - abar_t): numbers, or tensors [B, 1, ...] that broadcast over `like`. */
function levels(config: SchedulerConfig, timesteps: Timesteps, like: Tensor) {
  const abar = alphasCumprod(config);
  const at = (t: number | null) => {
    const value = t === null ? 1 : abar[t];
    if (value !== undefined) return value;
    const range = `0 … ${abar.length - 1}`;
    throw new DiffusionError(`Timestep ${t} is not in the schedule. Pass whole numbers in ${range}.`);
  };
  if (typeof timesteps === "number") {
    return { signal: Math.sqrt(at(timesteps)), sigma: Math.sqrt(1 - at(timesteps)) };
  }
  const column = (values: number[]) =>
    tensor(values, { dtype: like.dtype, device: like.device }).reshape([-1, ...like.shape.slice(1).fill(1)]);
  return {
    signal: column(timesteps.map((t) => Math.sqrt(at(t)))),
    sigma: column(timesteps.map((t) => Math.sqrt(1 - at(t)))),
  };
}
