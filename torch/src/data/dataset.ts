import { deriveSeed } from "../random.ts";

/**
 * Items by number. An array is one too.
 *
 * @example
 * class Photos implements data.Dataset<{ image: Tensor; label: number }> {
 *   readonly length = files.length;
 *   async get(index: number, { seed }: data.ItemContext) {
 *     return { image: augment(await decode(files[index]), new Random(seed)), label: labels[index] };
 *   }
 * }
 */
export interface Dataset<Item> {
  /** How many items there are. */
  readonly length: number;
  /**
   * One item. Randomness comes from `context.seed`, so that an item does not depend on who reads it and after what.
   * @param index 0 … length - 1
   */
  get(index: number, context: ItemContext): Item | Promise<Item>;
}

/**
 * Items one after the other, where they have no numbers: a log, a database, files too large to be indexed. Batches are
 * made within a shard, and the shards take turns; worker threads share out the shards, so their number changes nothing.
 * Tensors of a batch are released with it: `keep` what lives from one item to the next.
 */
export interface IterableDataset<Item> {
  /** Parts that can be read beside each other; at most so many workers have something to do. Default 1. */
  readonly shards?: number;
  iterate(context: ShardContext): Iterable<Item> | AsyncIterable<Item>;
}

/** For which item and pass over the data `get` is called. */
export class ItemContext {
  readonly #seed: number;

  constructor(
    readonly index: number,
    readonly epoch: number,
    seed: number,
  ) {
    this.#seed = seed;
  }

  /** A seed for this item in this epoch, of `Random` or a `Generator`: the same in whichever thread it is read. */
  get seed(): number {
    return deriveSeed(this.#seed, "item", this.epoch, this.index);
  }
}

/** Which part of the data `iterate` is to go through. */
export class ShardContext {
  readonly #seed: number;

  constructor(
    /** 0 … shards - 1. */
    readonly shard: number,
    readonly shards: number,
    readonly epoch: number,
    seed: number,
  ) {
    this.#seed = seed;
  }

  /** A seed for this shard in this epoch. */
  get seed(): number {
    return deriveSeed(this.#seed, "shard", this.epoch, this.shard);
  }
}

/** An item that could not be read; `cause` is what its dataset threw. */
export class DatasetError extends Error {
  override readonly name = "DatasetError";
  /** The item's number: in the dataset, or from the beginning of its shard. */
  readonly index: number;
  /** The shard, for a dataset that is iterated. */
  readonly shard: number | undefined;

  constructor(index: number, epoch: number, cause: unknown, shard?: number) {
    const where = shard === undefined ? "" : ` of shard ${shard}`;
    const what = shard === undefined ? `get(${index})` : "iterate()";
    super(
      `Item ${index}${where} could not be read in epoch ${epoch}: ${cause}. ` +
        `Correct the dataset's ${what} for it${shard === undefined ? ", or leave the item out with a sampler" : ""}.`,
      { cause },
    );
    this.index = index;
    this.shard = shard;
  }
}
