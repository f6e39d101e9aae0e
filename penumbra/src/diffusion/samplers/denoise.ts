import { autocast, cat, resolvePrecision, scope, type Tensor, tensor } from "@penumbra/torch";
import type { StableDiffusion } from "../model/stable-diffusion.ts";
import { ddimStep, ddimTimesteps } from "./ddim.ts";

/** What the walk is computed in: "auto" is bf16 where the processor or device is fast at it, else fp32. */
export type PrecisionSetting = Parameters<typeof resolvePrecision>[0];

export interface DenoiseOptions {
  /** [B, c, h, w], each item noised to the timestep at its own start. */
  readonly latents: Tensor;
  /** Index into the timesteps at which each item begins; the number of steps for an item that does not walk. */
  readonly starts: readonly number[];
  /** [B, L, D] */
  readonly context: Tensor;
  /** [B, L, D] or [1, L, D]: what guidance leads away from; not looked at where guidanceScale <= 1. */
  readonly negativeContext: () => Tensor;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly precision: PrecisionSetting;
  /** Of {@link ddimStep}. */
  readonly eta: number;
  /** New noise for the given items (indices into the batch) at one step; asked for where eta > 0. */
  readonly stepNoise: (items: readonly number[], step: number) => Tensor;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Walks a batch of latents down the timesteps in one loop. Items that begin later join when their timestep comes:
 * at every step all active items are at the same timestep, and only those are computed.
 *
 * Guidance (Ho and Salimans 2022): eps = eps_negative + guidanceScale (eps_prompt - eps_negative), both in one batch.
 *
 * @returns float32 [B, c, h, w] at the end of the walk
 */
export function denoise(sd: StableDiffusion, options: DenoiseOptions): Tensor {
  const { steps, guidanceScale, precision, eta, starts } = options;
  const { dtype } = resolvePrecision(precision, sd.device);
  const device = sd.device.replace(/:.*/, "");
  const isGuided = guidanceScale > 1;
  const timesteps = ddimTimesteps(sd.schedulerConfig, steps);
  // The earliest first: the active items are always the first rows.
  const order = starts
    .map((_, item) => item)
    .sort((a, b) => (starts[a] as number) - (starts[b] as number) || a - b);
  const rows = (t: Tensor, items: readonly number[]) =>
    t.indexSelect(0, tensor(items, { dtype: "int64", device: t.device }));
  const first = Math.min(steps, ...starts);

  const walk = () => {
    const latents = rows(options.latents.to("float32"), order);
    const context = rows(options.context, order);
    const negative = isGuided ? options.negativeContext().expand([order.length, -1, -1]) : null;
    const sortedNegative = negative && rows(negative, order);
    let active = latents.narrow(0, 0, 0);
    for (let i = first; i < steps; i++) {
      const count = order.filter((item) => (starts[item] as number) <= i).length;
      const timestep = timesteps[i] as number;
      const joined = active.shape[0] as number;
      const next = scope(() => {
        const sample = count > joined ? cat([active, latents.narrow(0, joined, count - joined)]) : active;
        const cond = context.narrow(0, 0, count);
        let output: Tensor;
        if (sortedNegative) {
          const both = cat([sortedNegative.narrow(0, 0, count), cond]); // [2 n, L, D]
          const [away, toward] = predict(sd, cat([sample, sample]), timestep, both).chunk(2) as [
            Tensor,
            Tensor,
          ];
          output = away.add(toward.sub(away).mul(guidanceScale));
        } else {
          output = predict(sd, sample, timestep, cond);
        }
        const noise = eta > 0 ? options.stepNoise(order.slice(0, count), i) : null;
        return ddimStep(sd.schedulerConfig, { sample, output, timestep, steps, eta, noise });
      });
      active.dispose();
      active = next;
      options.onProgress?.(i - first + 1, steps - first);
    }
    const joined = active.shape[0] as number;
    const sorted = cat([active, latents.narrow(0, joined, order.length - joined)]);
    const inverse = order.map((_, item) => order.indexOf(item));
    return rows(sorted, inverse);
  };
  return scope(() => (dtype === "float32" ? walk() : autocast({ device, dtype }, walk)));
}

/** The denoiser's output in float32: rounding in the walk itself would add up. */
function predict(sd: StableDiffusion, sample: Tensor, timestep: number, context: Tensor): Tensor {
  const weights = sd.unet.convIn.weight.dtype;
  const input = sample.to({ dtype: weights, memoryFormat: "channelsLast" });
  return sd.unet.forward(input, timestep, context.to(weights)).to("float32");
}
