import { cat, type PrecisionSetting, resolvePrecision, scope, type Tensor, tensor } from "@penumbra/torch";
import { autocastTo } from "../../models/index.ts";
import type { StableDiffusion } from "../model/index.ts";
import type { Walk } from "./sampler.ts";
import type { ReadySampler } from "./samplers.ts";

/** What is sampled, and how. */
export interface WalkOptions {
  /** [B, ...], each item noised to the timestep at its own start. */
  readonly latents: Tensor;
  /** The way of each item. */
  readonly walks: readonly Walk[];
  readonly sampler: ReadySampler;
  /** New noise for the given items (indices into the batch) at one step; asked for where the sampler needs it. */
  readonly stepNoise: (items: readonly number[], step: number) => Tensor;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a denoiser says of samples [n, ...]; the timestep is one number where it is the same for all. */
export type Predict = (sample: Tensor, timesteps: number | readonly number[]) => Tensor;

export interface DenoiseOptions extends WalkOptions {
  /** [B, L, D] */
  readonly context: Tensor;
  /** [B, L, D] or [1, L, D]: what guidance leads away from; not looked at where guidanceScale <= 1. */
  readonly negativeContext: () => Tensor;
  readonly guidanceScale: number;
  /** What the networks are computed in: "auto" is bf16 where the processor or device is fast at it, else fp32. */
  readonly precision: PrecisionSetting;
}

/** Samples a batch of latents under their contexts, see `walkDown`. @returns float32 [B, c, h, w] at the end */
export function denoise(sd: StableDiffusion, options: DenoiseOptions): Tensor {
  const { dtype } = resolvePrecision(options.precision, sd.device);
  const predictorFor = (order: readonly number[]) => guidedDenoiser(sd, options, order);
  return scope(() => autocastTo(sd.device, dtype)(() => walkDown(options, predictorFor)));
}

/** Items that go the same way, and how far they have come. */
interface Group {
  readonly walk: Walk;
  readonly items: readonly number[];
  /** [items, ...] */
  sample: Tensor;
  history: readonly Tensor[];
}

/**
 * Samples a batch in one loop that ends at the same time for all: items with a shorter walk join when the others have
 * as many steps left, and only those that have joined are computed. What solvers remember of earlier steps is kept for
 * items of one walk together.
 *
 * @param predictorFor the denoiser, given the order of the items: each call takes the first n of them
 * @returns float32 [B, ...] at the end
 */
export function walkDown(options: WalkOptions, predictorFor: (order: readonly number[]) => Predict): Tensor {
  const { sampler, onProgress } = options;
  const groups = groupsOf(options);
  const order = groups.flatMap(({ items }) => items);
  const predict = predictorFor(order);
  const total = Math.max(0, ...groups.map(({ walk }) => callsOf(walk)));
  for (let left = total; left > 0; left--) {
    const active = groups.filter(({ walk }) => callsOf(walk) >= left); // the longest walks first: the first of `order`
    const next = scope(() => {
      const indices = active.map(({ walk }) => walk.timesteps.length - left);
      const timesteps = active.map(({ walk }, i) => walk.timesteps[indices[i] as number] as number);
      const sizes = active.map(({ items }) => items.length);
      const samples = active.map(({ sample }) => sample);
      const outputs = predict(samples.length === 1 ? samples[0]! : cat(samples), perItem(timesteps, sizes));
      return active.map(({ walk, items, sample, history }, i) => {
        const before = sizes.slice(0, i).reduce((sum, size) => sum + size, 0);
        const output = outputs.narrow(0, before, items.length);
        const index = indices[i] as number;
        const noise = sampler.needsNoise ? options.stepNoise(items, index) : null;
        return sampler.step(walk, { sample, output, index, history, noise });
      });
    });
    active.forEach((group, i) => {
      const kept = new Set([next[i]!.sample, ...next[i]!.history]);
      for (const old of [group.sample, ...group.history]) if (!kept.has(old)) old.dispose();
      Object.assign(group, next[i]);
    });
    onProgress?.(total - left + 1, total);
  }
  const sorted = cat(groups.map(({ sample }) => sample));
  return rows(
    sorted,
    order.map((_, item) => order.indexOf(item)),
  );
}

const callsOf = ({ timesteps, start }: Walk): number => timesteps.length - start;

/** Groups of items with the same walk, the longest first. */
function groupsOf({ walks, latents }: WalkOptions): Group[] {
  const byWalk = new Map<string, { walk: Walk; items: number[] }>();
  for (const [item, walk] of walks.entries()) {
    const key = walk.timesteps.slice(walk.start).join();
    const known = byWalk.get(key);
    if (known) known.items.push(item);
    else byWalk.set(key, { walk, items: [item] });
  }
  const all = latents.to("float32");
  return [...byWalk.values()]
    .sort((a, b) => callsOf(b.walk) - callsOf(a.walk))
    .map(({ walk, items }) => ({ walk, items, sample: rows(all, items), history: [] }));
}

/** One timestep where it is the same for all groups, else one for each item. */
function perItem(timesteps: readonly number[], sizes: readonly number[]): number | readonly number[] {
  if (new Set(timesteps).size === 1) return timesteps[0] as number;
  return timesteps.flatMap((timestep, i) => Array<number>(sizes[i] as number).fill(timestep));
}

/**
 * The denoiser under guidance (Ho and Salimans 2022): eps = eps_negative + guidanceScale (eps_prompt - eps_negative),
 * both in one batch. What it returns takes the first n items of `order`.
 */
function guidedDenoiser(sd: StableDiffusion, options: DenoiseOptions, order: readonly number[]): Predict {
  const { guidanceScale } = options;
  const context = rows(options.context, order);
  if (guidanceScale <= 1)
    return (sample: Tensor, timesteps: number | readonly number[]) =>
      predict(sd, sample, timesteps, context.narrow(0, 0, sample.shape[0] as number));
  const negative = rows(options.negativeContext().expand([order.length, -1, -1]), order);
  return (sample: Tensor, timesteps: number | readonly number[]) => {
    const twice = typeof timesteps === "number" ? timesteps : [...timesteps, ...timesteps];
    const count = sample.shape[0] as number;
    const both = cat([negative.narrow(0, 0, count), context.narrow(0, 0, count)]); // [2 n, L, D]
    const [away, toward] = predict(sd, cat([sample, sample]), twice, both).chunk(2) as [Tensor, Tensor];
    return away.add(toward.sub(away).mul(guidanceScale));
  };
}

/** The denoiser's output in float32: rounding in the sampler itself would add up. */
function predict(
  sd: StableDiffusion,
  sample: Tensor,
  timesteps: number | readonly number[],
  context: Tensor,
): Tensor {
  const weights = sd.unet.convIn.weight.dtype;
  const input = sample.to({ dtype: weights, memoryFormat: "channelsLast" });
  const steps = typeof timesteps === "number" ? timesteps : tensor([...timesteps], { device: sample.device });
  return sd.unet.forward(input, steps, context.to(weights)).to("float32");
}

function rows(batch: Tensor, items: readonly number[]): Tensor {
  return batch.indexSelect(0, tensor(items, { dtype: "int64", device: batch.device }));
}
