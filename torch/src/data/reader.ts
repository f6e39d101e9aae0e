import { TorchError } from "../tensor/index.ts";
import { type Dataset, DatasetError, ItemContext, type IterableDataset, ShardContext } from "./dataset.ts";
import { itemOf } from "./datasets.ts";

/** Anything that a loader can go through. */
export type Source<Item> = Dataset<Item> | readonly Item[] | IterableDataset<Item>;

/** What readers in all threads have in common. */
export interface ReaderSettings {
  readonly seed: number;
  /** For a dataset that is iterated. */
  readonly batchSize: number;
  readonly dropLast: boolean;
}

/** One batch to be read: items by number, or the next ones of a shard. */
export interface ReadRequest {
  readonly epoch: number;
  /** Tells one pass over the data from another. */
  readonly pass: number;
  /** Its first number is set to 1 when nobody wants the batches of this pass any more. */
  readonly stop: SharedArrayBuffer;
  readonly part:
    | { readonly indices: readonly number[] }
    | { readonly shard: number; readonly shards: number };
}

/** A batch; undefined where the shard has no more, or nobody wants it. */
export type Read<Batch> = { readonly batch: Batch } | undefined;

/** A shard that is being iterated. */
interface OpenShard {
  readonly iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly stop: SharedArrayBuffer;
  taken: number;
}

export const isIterable = <Item>(source: Source<Item>): source is IterableDataset<Item> =>
  typeof (source as IterableDataset<Item>).iterate === "function";

const isStopped = (stop: SharedArrayBuffer): boolean => Atomics.load(new Int32Array(stop), 0) === 1;

/** Reads batches of a dataset, in whichever thread it is. */
export class Reader<Item, Batch> {
  readonly #source: Source<Item>;
  readonly #collate: (items: Item[]) => Batch | Promise<Batch>;
  readonly #settings: ReaderSettings;
  /** By pass and shard. */
  readonly #shards = new Map<string, OpenShard>();

  constructor(
    source: Source<Item>,
    collate: (items: Item[]) => Batch | Promise<Batch>,
    settings: ReaderSettings,
  ) {
    this.#source = source;
    this.#collate = collate;
    this.#settings = settings;
  }

  /** @throws DatasetError for an item that cannot be read, TorchError for items that cannot be put together */
  async read({ epoch, pass, stop, part }: ReadRequest): Promise<Read<Batch>> {
    await this.closeStopped();
    if (isStopped(stop)) return undefined;
    if ("indices" in part) {
      const items = await this.#items(part.indices, epoch, stop);
      return items && { batch: await this.#put(items, `items ${part.indices.join(", ")}`) };
    }
    const { shard, shards } = part;
    const key = `${pass} ${shard}`;
    const open =
      this.#shards.get(key) ?? this.#open(new ShardContext(shard, shards, epoch, this.#settings.seed), stop);
    this.#shards.set(key, open);
    const items = await this.#next(open, shard, epoch);
    if (items.length < this.#settings.batchSize) this.#shards.set(key, { ...open, iterator: [].values() }); // it has ended
    if (items.length === 0 || (this.#settings.dropLast && items.length < this.#settings.batchSize))
      return undefined;
    return { batch: await this.#put(items, `items ${open.taken - items.length} … of shard ${shard}`) };
  }

  /** Lets iterators of passes that nobody wants any more close what they hold. */
  async closeStopped(): Promise<void> {
    for (const [key, { iterator, stop }] of this.#shards) {
      if (!isStopped(stop)) continue;
      this.#shards.delete(key);
      await iterator.return?.();
    }
  }

  /** All items at once, where they come as promises; undefined where they are not wanted any more. */
  async #items(
    indices: readonly number[],
    epoch: number,
    stop: SharedArrayBuffer,
  ): Promise<Item[] | undefined> {
    const dataset = this.#source as Dataset<Item> | readonly Item[];
    const items: (Item | Promise<Item>)[] = [];
    let isAsync = false;
    for (const index of indices) {
      if (isStopped(stop)) return undefined;
      if (!(Number.isInteger(index) && index >= 0 && index < dataset.length))
        throw new TorchError(
          `The sampler asks for item ${index}, and the dataset has ${dataset.length}. Give numbers in 0 … ${dataset.length - 1}.`,
        );
      try {
        const item = itemOf(dataset, index, new ItemContext(index, epoch, this.#settings.seed));
        isAsync ||= item instanceof Promise;
        items.push(item);
      } catch (cause) {
        throw new DatasetError(index, epoch, cause);
      }
    }
    if (!isAsync) return items as Item[];
    const settled = await Promise.allSettled(items); // all: what goes on after an error would make tensors in nobody's scope
    return settled.map((result, i) => {
      if (result.status === "fulfilled") return result.value;
      throw new DatasetError(indices[i]!, epoch, result.reason);
    });
  }

  #open(context: ShardContext, stop: SharedArrayBuffer): OpenShard {
    const items = (this.#source as IterableDataset<Item>).iterate(context);
    const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
    return { iterator, stop, taken: 0 };
  }

  /** As many items as a batch has, or as there still are. */
  async #next(open: OpenShard, shard: number, epoch: number): Promise<Item[]> {
    const items: Item[] = [];
    try {
      while (items.length < this.#settings.batchSize && !isStopped(open.stop)) {
        const next = open.iterator.next();
        const { done, value } = next instanceof Promise ? await next : next;
        if (done) break;
        items.push(value as Item);
        open.taken += 1;
      }
      return items;
    } catch (cause) {
      throw new DatasetError(open.taken, epoch, cause, shard);
    }
  }

  async #put(items: Item[], which: string): Promise<Batch> {
    try {
      return await this.#collate(items);
    } catch (cause) {
      const { message } = cause instanceof Error ? cause : { message: String(cause) };
      throw Object.assign(new TorchError(`The batch of ${which} cannot be put together. ${message}`), {
        cause,
      });
    }
  }
}
