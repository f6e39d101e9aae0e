import {
  cat,
  keep,
  noGrad,
  type PrecisionSetting,
  resolvePrecision,
  scope,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import { autocastTo, type Compute } from "../../models/index.ts";
import type { StableDiffusion } from "../model/index.ts";
import { decodeLatents } from "./autoencode.ts";
import { predictionOf } from "./prediction.ts";
import type { Walk } from "./sampler.ts";
import type { ReadySampler } from "./samplers.ts";

export interface DrawingParts {
  readonly sd: StableDiffusion;
  /** [B, c, h, w], each item noised to the timestep at its own start. */
  readonly latents: Tensor;
  /** The way of each item. */
  readonly walks: readonly Walk[];
  /** [B, L, D] */
  readonly context: Tensor;
  /** [B, L, D] or [1, L, D]: what guidance leads away from; not looked at where all scales are up to 1. */
  readonly negativeContext: () => Tensor;
  readonly sampler: ReadySampler;
  /** One for each item. */
  readonly guidanceScales: readonly number[];
  /** What the networks are computed in: "auto" is bf16 where the processor or device is fast at it, else fp32. */
  readonly precision: PrecisionSetting;
  /** New noise for the given items (indices into the batch) at one step; asked for where the sampler needs it. */
  readonly stepNoise: (items: readonly number[], step: number) => Tensor;
  /** What stays as it is. */
  readonly kept?: KeptLatents;
}

/** Parts of images that are not redrawn: latents are put back there after each step, noised as the rest is. */
export interface KeptLatents {
  /** [B, 1, h, w], 1 where the image is kept, 0 where it is redrawn. */
  readonly mask: Tensor;
  /** [B, c, h, w]: the latents without noise. */
  readonly clean: Tensor;
  /** [B, c, h, w]: the noise that the items began with. */
  readonly noise: Tensor;
}

/** Items that go the same way, and how far they have come. */
interface Group {
  readonly walk: Walk;
  readonly items: readonly number[];
  /** [items, c, h, w] */
  sample: Tensor;
  history: readonly Tensor[];
  /** What the last step predicted the images to be, in latents; none before the first. */
  image?: Tensor;
}

type Predict = (sample: Tensor, timesteps: number | readonly number[]) => Tensor;

/**
 * Images on their way from noise: each `step` calls the denoiser once, and between two of them anything may happen, an
 * interruption or a look at what the images are going to be. All items end at the same time: those with a shorter walk
 * join when the others have as many steps left, and only those that have joined are computed. What solvers remember of
 * earlier steps is kept for items of one walk together.
 *
 * @example
 * using drawing = beginTextToImage(sd, { prompts: ["a photo of a relay"], seeds: [7] });
 * while (drawing.step()) console.log(`${drawing.done} of ${drawing.total}`);
 * const images = drawing.images();
 */
export class Drawing implements Disposable {
  /** Calls of the denoiser from beginning to end. */
  readonly total: number;
  readonly #parts: DrawingParts;
  readonly #groups: readonly Group[];
  /** Places in the batch, in the order of the groups. */
  readonly #order: readonly number[];
  readonly #predict: Predict;
  readonly #compute: Compute;
  readonly #held: readonly Tensor[];
  #done = 0;

  /** @internal Made by `beginTextToImage` and `beginImageToImage`. */
  constructor(parts: DrawingParts) {
    this.#parts = parts;
    const { sd, precision, kept } = parts;
    this.#compute = autocastTo(sd.device, resolvePrecision(precision, sd.device).dtype);
    const { groups, context, negative } = noGrad(() =>
      keep(
        scope(() => {
          const grouped = groupsOf(parts);
          const order = grouped.flatMap(({ items }) => items);
          const isGuided = parts.guidanceScales.some((scale) => scale > 1);
          const away = isGuided ? parts.negativeContext().expand([order.length, -1, -1]) : null;
          return {
            groups: grouped,
            context: rows(parts.context, order),
            negative: away && rows(away, order),
          };
        }),
      ),
    );
    this.#groups = groups;
    this.#order = groups.flatMap(({ items }) => items);
    this.#predict = this.#guided(context, negative);
    this.total = Math.max(0, ...groups.map(({ walk }) => callsOf(walk)));
    this.#held = [
      context,
      ...(negative ? [negative] : []),
      ...(kept ? keep([kept.mask, kept.clean, kept.noise]) : []),
    ];
  }

  /** Calls of the denoiser so far. */
  get done(): number {
    return this.#done;
  }

  /** Takes a step; false where none is left. */
  step(): boolean {
    if (this.#done === this.total) return false;
    const { sampler, stepNoise, sd } = this.#parts;
    const left = this.total - this.#done;
    const active = this.#groups.filter(({ walk }) => callsOf(walk) >= left); // the longest walks: the first of the order
    const next = noGrad(() =>
      keep(
        scope(() =>
          this.#compute(() => {
            const indices = active.map(({ walk }) => walk.timesteps.length - left);
            const timesteps = active.map(({ walk }, i) => walk.timesteps[indices[i] as number] as number);
            const sizes = active.map(({ items }) => items.length);
            const samples = active.map(({ sample }) => sample);
            const outputs = this.#predict(
              samples.length === 1 ? samples[0]! : cat(samples),
              perItem(timesteps, sizes),
            );
            return active.map(({ walk, items, sample, history }, i) => {
              const before = sizes.slice(0, i).reduce((sum, size) => sum + size, 0);
              const output = outputs.narrow(0, before, items.length);
              const index = indices[i] as number;
              const noise = sampler.needsNoise ? stepNoise(items, index) : null;
              const stepped = sampler.step(walk, { sample, output, index, history, noise });
              const abar = sampler.alphaAt(walk.config, timesteps[i] as number);
              const image = abar > 0 ? predictionOf(sd.schedulerConfig, sample, output, abar).image : sample;
              return { ...stepped, sample: this.#putBack(stepped.sample, walk, items, index + 1), image };
            });
          }),
        ),
      ),
    );
    active.forEach((group, i) => {
      const fresh = next[i]!;
      const kept = new Set([fresh.sample, fresh.image, ...fresh.history]);
      for (const old of tensorsOf(group)) if (!kept.has(old)) old.dispose();
      Object.assign(group, fresh);
    });
    this.#done += 1;
    return true;
  }

  /**
   * What the last step took the images for: float32 [B, 3, H, W] in 0..1, soft at first and sharp at the end.
   */
  preview(): Tensor {
    return this.#decoded(({ image, sample }) => image ?? sample);
  }

  /** The images: float32 [B, 3, H, W] in 0..1; steps that are left are taken first. */
  images(): Tensor {
    while (this.step());
    return this.#decoded(({ sample }) => sample);
  }

  [Symbol.dispose](): void {
    for (const held of [...this.#held, ...this.#groups.flatMap(tensorsOf)]) held.dispose();
  }

  #decoded(latentsOf: (group: Group) => Tensor): Tensor {
    return noGrad(() =>
      scope(() => {
        const sorted = cat(this.#groups.map(latentsOf));
        const places = this.#order.map((_, item) => this.#order.indexOf(item));
        return decodeLatents(this.#parts.sd, rows(sorted, places));
      }),
    );
  }

  /** The sample with what is kept put back at the noise of the timestep that it has come to. */
  #putBack(sample: Tensor, walk: Walk, items: readonly number[], index: number): Tensor {
    const { kept, sampler } = this.#parts;
    if (!kept) return sample;
    const timestep = walk.timesteps[index];
    const abar = timestep === undefined ? 1 : sampler.alphaAt(walk.config, timestep);
    const [mask, clean, noise] = [kept.mask, kept.clean, kept.noise].map((each) => rows(each, items)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const original = clean.mul(Math.sqrt(abar)).add(noise.mul(Math.sqrt(1 - abar)));
    return mask.mul(original).add(mask.neg().add(1).mul(sample));
  }

  /**
   * The denoiser under guidance (Ho and Salimans 2022): eps = eps_negative + guidanceScale (eps_prompt - eps_negative),
   * both in one batch. What it returns takes the first n items of the order.
   */
  #guided(context: Tensor, negative: Tensor | null): Predict {
    const { sd, guidanceScales } = this.#parts;
    if (!negative)
      return (sample, timesteps) =>
        predict(sd, sample, timesteps, context.narrow(0, 0, sample.shape[0] as number));
    const scales = this.#order.map((item) => guidanceScales[item] as number);
    const scaleOf = (count: number): Tensor | number =>
      new Set(scales).size === 1
        ? (scales[0] as number)
        : tensor(scales.slice(0, count), { device: sd.device }).reshape([-1, 1, 1, 1]);
    return (sample, timesteps) => {
      const twice = typeof timesteps === "number" ? timesteps : [...timesteps, ...timesteps];
      const count = sample.shape[0] as number;
      const both = cat([negative.narrow(0, 0, count), context.narrow(0, 0, count)]); // [2 n, L, D]
      const [away, toward] = predict(sd, cat([sample, sample]), twice, both).chunk(2) as [Tensor, Tensor];
      return away.add(toward.sub(away).mul(scaleOf(count)));
    };
  }
}

const callsOf = ({ timesteps, start }: Walk): number => timesteps.length - start;

const tensorsOf = ({ sample, history, image }: Group): Tensor[] => [
  ...new Set([sample, ...history, ...(image ? [image] : [])]),
];

/** Groups of items with the same walk, the longest first. */
function groupsOf({ walks, latents }: DrawingParts): Group[] {
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
  return batch.indexSelect(0, tensor([...items], { dtype: "int64", device: batch.device }));
}
