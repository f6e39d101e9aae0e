import { cat, keep, noGrad, scope, type Tensor, tensor } from "@penumbra/torch";
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
}

/** What a denoiser says of samples [n, ...]; the timestep is one number where it is the same for all. */
export type Predict = (sample: Tensor, timesteps: number | readonly number[]) => Tensor;

/** What a step has come from, for those who change what it has come to. */
export interface StepTaken {
  readonly walk: Walk;
  /** Places in the batch. */
  readonly items: readonly number[];
  /** Index of the timestep in the walk's. */
  readonly index: number;
  readonly sample: Tensor;
  readonly output: Tensor;
}

/** Changes the sample that a step has come to, and may add what the images look like so far. */
export type AfterStep = (
  next: Tensor,
  taken: StepTaken,
) => { readonly sample: Tensor; readonly image?: Tensor };

/** Items that go the same way, and how far they have come. */
interface Group {
  readonly walk: Walk;
  readonly items: readonly number[];
  /** [items, ...] */
  sample: Tensor;
  history: readonly Tensor[];
  image?: Tensor;
}

/**
 * A batch on its way, one call of the denoiser a step. All items end at the same time: those with a shorter walk join
 * when the others have as many steps left, and only those that have joined are computed. What solvers remember of
 * earlier steps is kept for items of one walk together.
 */
export class Walking implements Disposable {
  /** Calls of the denoiser from beginning to end. */
  readonly total: number;
  /** Places in the batch in the order in which they are computed: a call takes the first so many of them. */
  readonly order: readonly number[];
  readonly #options: WalkOptions;
  readonly #groups: readonly Group[];
  readonly #afterStep: AfterStep;
  #done = 0;

  constructor(options: WalkOptions, afterStep: AfterStep = (sample) => ({ sample })) {
    this.#options = options;
    this.#afterStep = afterStep;
    this.#groups = keep(noGrad(() => scope(() => groupsOf(options))));
    this.order = this.#groups.flatMap(({ items }) => items);
    this.total = Math.max(0, ...this.#groups.map(({ walk }) => callsOf(walk)));
  }

  /** Calls of the denoiser so far. */
  get done(): number {
    return this.#done;
  }

  /** Takes a step; false where none is left. */
  step(predict: Predict): boolean {
    if (this.#done === this.total) return false;
    const left = this.total - this.#done;
    const active = this.#groups.filter(({ walk }) => callsOf(walk) >= left); // the longest: the first of the order
    const next = keep(noGrad(() => scope(() => this.#stepped(active, left, predict))));
    active.forEach((group, i) => {
      const fresh = next[i]!;
      const kept = new Set(tensorsOf(fresh));
      for (const old of tensorsOf(group)) if (!kept.has(old)) old.dispose();
      Object.assign(group, fresh);
    });
    this.#done += 1;
    return true;
  }

  /** [B, ...] in the order of the batch: the samples, or what the last step took the images for where that is known. */
  now(what: "sample" | "image" = "sample"): Tensor {
    return scope(() => {
      const sorted = cat(
        this.#groups.map((group) => (what === "image" ? group.image : null) ?? group.sample),
      );
      return rows(
        sorted,
        this.order.map((_, item) => this.order.indexOf(item)),
      );
    });
  }

  [Symbol.dispose](): void {
    for (const held of this.#groups.flatMap(tensorsOf)) held.dispose();
  }

  #stepped(active: readonly Group[], left: number, predict: Predict) {
    const { sampler, stepNoise } = this.#options;
    const indices = active.map(({ walk }) => walk.timesteps.length - left);
    const timesteps = active.map(({ walk }, i) => walk.timesteps[indices[i] as number] as number);
    const sizes = active.map(({ items }) => items.length);
    const samples = active.map(({ sample }) => sample);
    const outputs = predict(samples.length === 1 ? samples[0]! : cat(samples), perItem(timesteps, sizes));
    return active.map(({ walk, items, sample, history }, i) => {
      const before = sizes.slice(0, i).reduce((sum, size) => sum + size, 0);
      const output = outputs.narrow(0, before, items.length);
      const index = indices[i] as number;
      const noise = sampler.needsNoise ? stepNoise(items, index) : null;
      const stepped = sampler.step(walk, { sample, output, index, history, noise });
      return { ...stepped, ...this.#afterStep(stepped.sample, { walk, items, index, sample, output }) };
    });
  }
}

/**
 * Samples a batch in one loop, see `Walking`.
 *
 * @param predictorFor the denoiser, given the order of the items: each call takes the first n of them
 * @returns float32 [B, ...] at the end
 */
export function walkDown(options: WalkOptions, predictorFor: (order: readonly number[]) => Predict): Tensor {
  using walking = new Walking(options);
  const predict = predictorFor(walking.order);
  while (walking.step(predict));
  return walking.now();
}

const callsOf = ({ timesteps, start }: Walk): number => timesteps.length - start;

const tensorsOf = ({ sample, history, image }: Pick<Group, "sample" | "history" | "image">): Tensor[] => [
  ...new Set([sample, ...history, ...(image ? [image] : [])]),
];

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

/** Those items of a batch, [items, ...]. */
export function rows(batch: Tensor, items: readonly number[]): Tensor {
  return batch.indexSelect(0, tensor([...items], { dtype: "int64", device: batch.device }));
}
