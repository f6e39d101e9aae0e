import { join } from "node:path";
import { scope, type Tensor, tensor } from "@penumbra/torch";
import { z } from "zod";
import { readJson } from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";

const Supported = <const Value extends boolean | null>(value: Value) =>
  z.literal(value, { error: `only ${value} is supported` }).default(value as never);

/**
 * scheduler_config.json, whatever scheduler it was written for: the noise schedule is the same for all, so a model
 * published with one sampler (PNDM) can be sampled by another. What only one sampler reads (`solver_order`) is kept as
 * it stands, and checked by that sampler.
 */
const SchedulerConfigSchema = z.looseObject({
  _class_name: z.string().default("DDIMScheduler"),
  num_train_timesteps: z.int().positive().default(1000),
  beta_start: z.number().positive().default(0.00085),
  beta_end: z.number().positive().default(0.012),
  beta_schedule: z.enum(["linear", "scaled_linear", "squaredcos_cap_v2"]).default("scaled_linear"),
  prediction_type: z.enum(["epsilon", "v_prediction", "sample"]).default("epsilon"),
  steps_offset: z.int().nonnegative().default(1),
  timestep_spacing: z.enum(["leading", "trailing", "linspace"]).default("leading"),
  set_alpha_to_one: z.boolean().default(false),
  // Latents are not confined to -1..1: a file that says nothing must not clip them.
  clip_sample: z.boolean().default(false),
  clip_sample_range: z.number().positive().default(1),
  thresholding: Supported(false),
  rescale_betas_zero_snr: z.boolean().default(false),
  trained_betas: z.array(z.number().gt(0).lt(1)).min(1).nullable().default(null),
});

/** diffusers' defaults of what a file that names one of these schedulers may leave out. */
const LEFT_OUT: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  DDIMScheduler: { set_alpha_to_one: true },
  LCMScheduler: { set_alpha_to_one: true },
  EulerDiscreteScheduler: { timestep_spacing: "linspace" },
  EulerAncestralDiscreteScheduler: { timestep_spacing: "linspace" },
  DPMSolverMultistepScheduler: { timestep_spacing: "linspace" },
  UniPCMultistepScheduler: { timestep_spacing: "linspace" },
  UnCLIPScheduler: { timestep_spacing: "linspace", beta_schedule: "squaredcos_cap_v2", clip_sample: true },
};

/** The complete configuration of a noise schedule and of its sampling, by diffusers' names. */
export type SchedulerConfig = z.output<typeof SchedulerConfigSchema>;

/**
 * Checks a scheduler's configuration and fills in the values of Stable Diffusion 1.x; the spacing of timesteps, and
 * what follows the last one, as diffusers has them for the scheduler that is named.
 * @throws DiffusionError naming the place and every field that is wrong or not supported
 */
export function parseSchedulerConfig(
  raw: Readonly<Record<string, unknown>> = {},
  where = "Scheduler",
): SchedulerConfig {
  const leftOut = typeof raw._class_name === "string" ? LEFT_OUT[raw._class_name] : undefined;
  const result = SchedulerConfigSchema.safeParse({ ...leftOut, ...finiteOnly(raw) });
  if (result.success) return withBetas(result.data, where);
  const problems = result.error.issues.map((issue) => `field "${issue.path.join(".")}": ${issue.message}`);
  throw new DiffusionError(`${where}: ${problems.join("; ")}. Correct the field or use another model.`);
}

/**
 * The noise schedule of a model's folder.
 * @param part the schedule's own folder, where a model has several
 * @throws DiffusionError or ModelError naming the file and the field
 */
export function readSchedulerConfig(folder: string, part = "scheduler"): SchedulerConfig {
  const file = join(folder, part, "scheduler_config.json");
  return parseSchedulerConfig(readJson(file), file);
}

/** Without the infinite numbers that diffusers writes for limits that are none (`lambda_min_clipped`): JSON has no such. */
function finiteOnly(raw: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isWritable = (value: unknown) => typeof value !== "number" || Number.isFinite(value);
  return Object.fromEntries(Object.entries(raw).filter(([, value]) => isWritable(value)));
}

function withBetas(config: SchedulerConfig, where: string): SchedulerConfig {
  const { trained_betas: betas, num_train_timesteps: count } = config;
  if (betas === null || betas.length === count) return config;
  throw new DiffusionError(
    `${where}: field "trained_betas" has ${betas.length} numbers, "num_train_timesteps" is ${count}. Correct one of them.`,
  );
}

const cumulated = new Map<string, Float64Array>();

/**
 * The share of the image's variance that is left at each timestep: abar_t = prod_{s <= t} (1 - beta_s) (Ho et al.
 * 2020, eq. 4), betas linear in t, for "scaled_linear" the squares of a linear sequence, for "squaredcos_cap_v2" such
 * that abar follows a squared cosine (Nichol and Dhariwal 2021, eq. 17). With `rescale_betas_zero_snr` the square roots
 * are shifted and scaled so that nothing is left at the last timestep (Lin et al. 2024, algorithm 1).
 *
 * @returns num_train_timesteps numbers, falling from almost 1 to (almost) 0; shared, not to be written to
 */
export function alphasCumprod(config: SchedulerConfig): Float64Array {
  const { num_train_timesteps: count, beta_start: start, beta_end: end, beta_schedule: kind } = config;
  const { trained_betas: trained, rescale_betas_zero_snr: isRescaled } = config;
  const key = trained ? `${trained} ${isRescaled}` : `${count} ${start} ${end} ${kind} ${isRescaled}`;
  const known = cumulated.get(key);
  if (known) return known;
  const alphas = new Float64Array(count);
  let product = 1;
  for (let t = 0; t < count; t++) {
    product *= 1 - (trained?.[t] ?? betaAt(t, config));
    alphas[t] = product;
  }
  if (isRescaled) endWithNothing(alphas);
  cumulated.set(key, alphas);
  return alphas;
}

function betaAt(t: number, config: SchedulerConfig): number {
  const { num_train_timesteps: count, beta_start: start, beta_end: end, beta_schedule: kind } = config;
  if (kind === "squaredcos_cap_v2") {
    const abar = (share: number) => Math.cos((((share + 0.008) / 1.008) * Math.PI) / 2) ** 2;
    return Math.min(1 - abar((t + 1) / count) / abar(t / count), 0.999);
  }
  const root = kind === "scaled_linear" ? 0.5 : 1;
  const [first, last] = [start ** root, end ** root];
  return (first + ((last - first) * t) / Math.max(count - 1, 1)) ** (1 / root);
}

function endWithNothing(alphas: Float64Array): void {
  const first = Math.sqrt(alphas[0] as number);
  const last = Math.sqrt(alphas.at(-1) as number);
  for (const [t, alpha] of alphas.entries())
    alphas[t] = (((Math.sqrt(alpha) - last) * first) / (first - last)) ** 2;
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

/**
 * Noises each item of a batch by its own amplitudes: signal x0 + noise.
 * @param levels one for each item
 */
export function addLevels(
  x0: Tensor,
  noise: Tensor,
  levels: readonly { readonly signal: number; readonly noise: number }[],
): Tensor {
  return scope(() => {
    const signal = column(
      levels.map((level) => level.signal),
      x0,
    );
    const sigma = column(
      levels.map((level) => level.noise),
      x0,
    );
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
  return {
    signal: column(
      timesteps.map((t) => Math.sqrt(at(t))),
      like,
    ),
    sigma: column(
      timesteps.map((t) => Math.sqrt(1 - at(t))),
      like,
    ),
  };
}

/** [B, 1, ...], to broadcast over `like`. */
function column(values: readonly number[], like: Tensor): Tensor {
  const options = { dtype: like.dtype, device: like.device };
  return tensor([...values], options).reshape([-1, ...like.shape.slice(1).fill(1)]);
}
