import { deriveSeed, Random } from "../random.ts";
import { TorchError } from "../tensor/index.ts";

/** In which order, and how often, a dataset's items are taken. */
export interface Sampler {
  /** How many items it takes in an epoch. */
  readonly length: number;
  /** Their numbers; the same for the same epoch. */
  indices(epoch: number): Iterable<number>;
}

/** Which items make a batch. */
export interface BatchOrder {
  /** How many batches an epoch has. */
  readonly length: number;
  /** The numbers of each batch's items; the same for the same epoch. */
  batches(epoch: number): Iterable<readonly number[]>;
}

const range = (length: number): number[] => Array.from({ length }, (_, index) => index);
/** The generator of one epoch's order. */
const randomOf = (seed: number, epoch: number): Random => new Random(deriveSeed(seed, "order", epoch));

/** 0, 1, 2, … */
export class SequentialSampler implements Sampler {
  constructor(readonly length: number) {}

  indices(): Iterable<number> {
    return range(this.length);
  }
}

export interface RandomSamplerOptions {
  /** Default 0. */
  seed?: number;
  /** Whether an item may come more than once in an epoch. Default false. */
  replacement?: boolean;
  /** How many are drawn in an epoch. Default: as many as there are. */
  count?: number;
}

/** All items in random order, another one in each epoch. */
export class RandomSampler implements Sampler {
  readonly length: number;
  readonly #size: number;
  readonly #seed: number;
  readonly #replacement: boolean;

  /** @param size of the dataset @throws TorchError where more are to be drawn than there are, without replacement */
  constructor(size: number, { seed = 0, replacement = false, count = size }: RandomSamplerOptions = {}) {
    checkCount("RandomSampler", count, replacement ? Number.POSITIVE_INFINITY : size);
    if (size === 0 && count > 0)
      throw new TorchError(`RandomSampler: ${count} of no items cannot be drawn. Pass the dataset's length.`);
    this.length = count;
    this.#size = size;
    this.#seed = seed;
    this.#replacement = replacement;
  }

  indices(epoch: number): Iterable<number> {
    const random = randomOf(this.#seed, epoch);
    if (this.#replacement) return Array.from({ length: this.length }, () => random.int(this.#size));
    return random.shuffle(range(this.#size)).slice(0, this.length);
  }
}

/** Some items, in another random order in each epoch. */
export class SubsetRandomSampler implements Sampler {
  readonly length: number;
  readonly #indices: readonly number[];
  readonly #seed: number;

  constructor(indices: readonly number[], { seed = 0 }: { seed?: number } = {}) {
    this.length = indices.length;
    this.#indices = [...indices];
    this.#seed = seed;
  }

  indices(epoch: number): Iterable<number> {
    return randomOf(this.#seed, epoch).shuffle(this.#indices);
  }
}

/**
 * Draws item i with probability weights[i] / sum of the weights. Without replacement the next one is drawn in proportion
 * to the weights of those that are left: the largest u_i^(1 / w_i) first (Efraimidis and Spirakis 2006, algorithm A).
 *
 * @example new data.WeightedRandomSampler(labels.map((label) => 1 / countOf[label]), labels.length)
 */
export class WeightedRandomSampler implements Sampler {
  readonly #weights: readonly number[];
  readonly #seed: number;
  readonly #replacement: boolean;

  /**
   * @param weights from 0 on, not all 0; they need not add up to 1
   * @param length how many are drawn in an epoch
   * @throws TorchError for other weights, and where too few are above 0 to draw without replacement
   */
  constructor(
    weights: readonly number[],
    readonly length: number,
    { seed = 0, replacement = true }: Pick<RandomSamplerOptions, "seed" | "replacement"> = {},
  ) {
    const wrong = weights.findIndex((weight) => !(weight >= 0 && Number.isFinite(weight)));
    if (wrong >= 0)
      throw new TorchError(
        `WeightedRandomSampler: the weight of item ${wrong} is ${weights[wrong]}. Weights are finite numbers from 0 on.`,
      );
    const possible = weights.filter((weight) => weight > 0).length;
    const most = possible === 0 || replacement ? possible && Number.POSITIVE_INFINITY : possible;
    checkCount("WeightedRandomSampler", length, most);
    this.#weights = [...weights];
    this.#seed = seed;
    this.#replacement = replacement;
  }

  indices(epoch: number): Iterable<number> {
    const random = randomOf(this.#seed, epoch);
    return this.#replacement ? this.#withReplacement(random) : this.#withoutReplacement(random);
  }

  #withReplacement(random: Random): number[] {
    const items = this.#weights.flatMap((weight, index) => (weight > 0 ? [index] : []));
    let sum = 0;
    const ends: number[] = []; // the i-th of them has [ends[i - 1], ends[i])
    for (const index of items) {
      sum += this.#weights[index]!;
      ends.push(sum);
    }
    return Array.from({ length: this.length }, () => items[firstAbove(ends, random.uniform(0, sum))]!);
  }

  #withoutReplacement(random: Random): number[] {
    const keys = this.#weights.map((weight, index) => {
      const logarithm = Math.log(1 - random.uniform()); // of (0, 1]; drawn for weight 0 too
      return { index, key: weight > 0 ? logarithm / weight : Number.NEGATIVE_INFINITY };
    });
    keys.sort((a, b) => b.key - a.key);
    return keys.slice(0, this.length).map(({ index }) => index);
  }
}

export interface DistributedSamplerOptions {
  /** This process' number. */
  rank: number;
  /** How many processes there are. */
  worldSize: number;
  /** Default true. */
  shuffle?: boolean;
  /** The same in all processes. Default 0. */
  seed?: number;
  /** Leaves the last items out that cannot be shared out evenly; otherwise the first ones come twice. Default false. */
  dropLast?: boolean;
}

/** The items of one process among several: every worldSize-th of an order that all of them agree on, as many in each. */
export class DistributedSampler implements Sampler {
  readonly length: number;
  readonly #order: Sampler;
  readonly #rank: number;
  readonly #worldSize: number;

  /** @param size of the dataset @throws TorchError for a rank that is none of the world's */
  constructor(
    size: number,
    { rank, worldSize, shuffle = true, seed = 0, dropLast = false }: DistributedSamplerOptions,
  ) {
    if (!(Number.isInteger(worldSize) && Number.isInteger(rank) && rank >= 0 && rank < worldSize))
      throw new TorchError(
        `DistributedSampler: rank ${rank} is none of ${worldSize} processes. Ranks are 0 … worldSize - 1.`,
      );
    this.#order = shuffle ? new RandomSampler(size, { seed }) : new SequentialSampler(size);
    this.#rank = rank;
    this.#worldSize = worldSize;
    this.length = dropLast ? Math.floor(size / worldSize) : Math.ceil(size / worldSize);
  }

  indices(epoch: number): Iterable<number> {
    const order = [...this.#order.indices(epoch)];
    return Array.from(
      { length: this.length },
      (_, i) => order[(i * this.#worldSize + this.#rank) % order.length]!,
    );
  }
}

/** A sampler's items, so many a batch. */
export class BatchSampler implements BatchOrder {
  readonly length: number;
  readonly #sampler: Sampler;
  readonly #batchSize: number;

  /** @param options.dropLast leaves out a last batch that is smaller; default false */
  constructor(sampler: Sampler, batchSize: number, { dropLast = false }: { dropLast?: boolean } = {}) {
    checkBatchSize(batchSize);
    const batches = sampler.length / batchSize;
    this.length = dropLast ? Math.floor(batches) : Math.ceil(batches);
    this.#sampler = sampler;
    this.#batchSize = batchSize;
  }

  *batches(epoch: number): Iterable<readonly number[]> {
    let batch: number[] = [];
    let made = 0;
    for (const index of this.#sampler.indices(epoch)) {
      batch.push(index);
      if (batch.length < this.#batchSize) continue;
      yield batch;
      made += 1;
      batch = [];
    }
    if (batch.length > 0 && made < this.length) yield batch;
  }
}

/** @throws TorchError unless it is a whole number from 1 on */
export function checkBatchSize(batchSize: number): void {
  if (Number.isInteger(batchSize) && batchSize >= 1) return;
  throw new TorchError(`The batch size is ${batchSize}; it must be a whole number from 1 on.`);
}

function checkCount(name: string, count: number, most: number): void {
  if (Number.isInteger(count) && count >= 0 && count <= most) return;
  const limit = Number.isFinite(most) ? `0 … ${most}` : "a whole number from 0 on";
  throw new TorchError(
    `${name}: ${count} items cannot be drawn. Choose ${limit}${most < count ? ", or draw with replacement" : ""}.`,
  );
}

/** The first position whose value is above, by halving; the last one where rounding leaves none. */
function firstAbove(ends: readonly number[], value: number): number {
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
