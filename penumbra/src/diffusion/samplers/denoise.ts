import { cat, type PrecisionSetting, resolvePrecision, scope, type Tensor, tensor } from "@penumbra/torch";
import { autocastTo } from "../../models/index.ts";
import type { StableDiffusion } from "../model/index.ts";
import type { ReadySampler } from "./samplers.ts";

export interface DenoiseOptions {
  /** [B, c, h, w], each item noised to the timestep at its own start. */
  readonly latents: Tensor;
  /** Index into the timesteps at which each item begins; the number of steps for an item that is left as it is. */
  readonly starts: readonly number[];
  /** [B, L, D] */
  readonly context: Tensor;
  /** [B, L, D] or [1, L, D]: what guidance leads away from; not looked at where guidanceScale <= 1. */
  readonly negativeContext: () => Tensor;
  readonly sampler: ReadySampler;
  readonly steps: number;
  readonly guidanceScale: number;
  /** What the networks are computed in: "auto" is bf16 where the processor or device is fast at it, else fp32. */
  readonly precision: PrecisionSetting;
  /** New noise for the given items (indices into the batch) at one step; asked for where the sampler needs it. */
  readonly stepNoise: (items: readonly number[], step: number) => Tensor;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Samples a batch of latents down the timesteps in one loop. Items that begin later join when their timestep comes:
 * at every step all active items are at the same timestep, and only those are computed.
 *
 * @returns float32 [B, c, h, w] at the end
 */
export function denoise(sd: StableDiffusion, options: DenoiseOptions): Tensor {
  const { dtype } = resolvePrecision(options.precision, sd.device);
  return scope(() => autocastTo(sd.device, dtype)(() => sampleAll(sd, options)));
}

function sampleAll(sd: StableDiffusion, options: DenoiseOptions): Tensor {
  const { steps, sampler, starts } = options;
  const timesteps = sampler.timesteps(sd.schedulerConfig, steps);
  // The earliest first: the active items are always the first rows.
  const order = starts
    .map((_, item) => item)
    .sort((a, b) => (starts[a] as number) - (starts[b] as number) || a - b);
  const first = Math.min(steps, ...starts);
  const latents = rows(options.latents.to("float32"), order);
  const predict = guidedDenoiser(sd, options, order);
  let active = latents.narrow(0, 0, 0);
  for (let i = first; i < steps; i++) {
    const count = order.filter((item) => (starts[item] as number) <= i).length;
    const timestep = timesteps[i] as number;
    const joined = active.shape[0] as number;
    const next = scope(() => {
      const sample = count > joined ? cat([active, latents.narrow(0, joined, count - joined)]) : active;
      const output = predict(sample, timestep);
      const noise = sampler.needsNoise ? options.stepNoise(order.slice(0, count), i) : null;
      return sampler.step(sd.schedulerConfig, { sample, output, timestep, steps, noise });
    });
    active.dispose();
    active = next;
    options.onProgress?.(i - first + 1, steps - first);
  }
  const joined = active.shape[0] as number;
  const sorted = cat([active, latents.narrow(0, joined, order.length - joined)]);
  return rows(
    sorted,
    order.map((_, item) => order.indexOf(item)),
  );
}

/**
 * The denoiser under guidance (Ho and Salimans 2022): eps = eps_negative + guidanceScale (eps_prompt - eps_negative),
 * both in one batch. What it returns takes the first n items of `order`.
 */
function guidedDenoiser(sd: StableDiffusion, options: DenoiseOptions, order: readonly number[]) {
  const { guidanceScale } = options;
  const context = rows(options.context, order);
  if (guidanceScale <= 1)
    return (sample: Tensor, timestep: number) =>
      predict(sd, sample, timestep, context.narrow(0, 0, sample.shape[0] as number));
  const negative = rows(options.negativeContext().expand([order.length, -1, -1]), order);
  return (sample: Tensor, timestep: number) => {
    const count = sample.shape[0] as number;
    const both = cat([negative.narrow(0, 0, count), context.narrow(0, 0, count)]); // [2 n, L, D]
    const [away, toward] = predict(sd, cat([sample, sample]), timestep, both).chunk(2) as [Tensor, Tensor];
    return away.add(toward.sub(away).mul(guidanceScale));
  };
}

/** The denoiser's output in float32: rounding in the sampler itself would add up. */
function predict(sd: StableDiffusion, sample: Tensor, timestep: number, context: Tensor): Tensor {
  const weights = sd.unet.convIn.weight.dtype;
  const input = sample.to({ dtype: weights, memoryFormat: "channelsLast" });
  return sd.unet.forward(input, timestep, context.to(weights)).to("float32");
}

function rows(batch: Tensor, items: readonly number[]): Tensor {
  return batch.indexSelect(0, tensor(items, { dtype: "int64", device: batch.device }));
}
