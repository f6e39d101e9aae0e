import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { holding, TorchError } from "../tensor/index.ts";
import { Pool } from "../threads/index.ts";
import { type Collated, type CollateOptions, collate } from "./collate.ts";
import { DatasetError } from "./dataset.ts";
import { isIterable, type Read, Reader, type ReadRequest, type Source } from "./reader.ts";
import {
  type BatchOrder,
  BatchSampler,
  checkBatchSize,
  RandomSampler,
  type Sampler,
  SequentialSampler,
} from "./samplers.ts";
import type { ErrorParts, WorkerAnswer, WorkerTask } from "./worker.ts";

export interface DataLoaderOptions<Item, Batch> extends CollateOptions {
  /** Items in a batch. Default 1. */
  batchSize?: number;
  /** Another random order in each epoch. Default false. */
  shuffle?: boolean;
  /** Of the order, and of what items draw from their `context.seed`. Default 0. */
  seed?: number;
  /** Leaves out a last batch that is smaller. Default false. */
  dropLast?: boolean;
  /** The order of items, instead of `shuffle`. */
  sampler?: Sampler;
  /** Which items make a batch, instead of `batchSize`, `shuffle`, `dropLast` and `sampler`. */
  batchSampler?: BatchOrder;
  /** Puts items together; default `collate`. With workers the module exports it too. */
  collate?: (items: Item[]) => Batch | Promise<Batch>;
  /** Threads that read; default 0: batches are read where they are used, when they are asked for. */
  workers?: number;
  /** The module that the workers load: `import.meta.url` of the file whose default export is the dataset, or a function that makes it. */
  module?: string | URL;
  /** Batches that are read ahead: for each worker, default 2; without workers, default 0. */
  prefetch?: number;
  /**
   * Starts a thread that runs `file`, with these options. Default: `new Worker(file, options)`. For TypeScript that a
   * loader such as tsx translates, which worker threads may have to register for themselves, or for limits of memory.
   */
  startWorker?: (file: URL, options: WorkerOptions) => Worker;
}

/** A batch with what releases its tensors. */
interface Held {
  readonly value: unknown;
  readonly release: () => void;
}

/** Reads a batch somewhere. */
interface Place {
  read(request: ReadRequest): Promise<Read<unknown>>;
  /** Closes what passes hold that nobody wants any more. */
  closeStopped(): Promise<unknown>;
}

/**
 * Goes through a dataset in batches: `for await (const batch of loader)`. Each loop is an epoch, in an order of its own
 * where that is shuffled. Batches come in order and with the same bits for any number of workers.
 *
 * A batch lives until the next one is asked for or the loop ends; `keep(batch)` takes it out. Workers stay for later
 * epochs; they do not keep the process alive, and `close` ends them.
 *
 * @example
 * // photos.ts: export default new Photos("train");
 * const loader = new data.DataLoader(photos, {
 *   batchSize: 64, shuffle: true, seed: 0, dtypes: { label: "int64" },
 *   workers: 2, module: new URL("./photos.ts", import.meta.url),
 * });
 * for (let epoch = 0; epoch < 10; epoch += 1)
 *   for await (const { image, label } of loader) scope(() => step(image, label)); // [64, 3, 224, 224], [64]
 */
export class DataLoader<Item, Batch = Collated<Item>> implements AsyncIterable<Batch> {
  /** The next loop's: one more after each; set it to go on with a training. */
  epoch = 0;
  readonly #order: BatchOrder | undefined;
  readonly #shards: number;
  readonly #places: readonly Place[];
  readonly #pools: readonly Pool<(request?: ReadRequest) => Promise<WorkerAnswer>>[];
  readonly #ahead: number;
  #passes = 0;

  /** @throws TorchError for options that contradict each other, and for workers without a module */
  constructor(source: Source<Item>, options: DataLoaderOptions<Item, Batch> = {}) {
    const { batchSize = 1, seed = 0, dropLast = false, workers = 0, dtypes } = options;
    checkOptions(source, options);
    this.#order = isIterable(source) ? undefined : orderOf(source.length, options);
    this.#shards = isIterable(source) ? (source.shards ?? 1) : 0;
    const settings = { seed, batchSize, dropLast };
    if (workers === 0) {
      const put = options.collate ?? ((items: Item[]) => collate(items, dtypes ? { dtypes } : {}));
      this.#pools = [];
      this.#places = [new Reader<Item, unknown>(source, put, settings)];
    } else {
      const length = isIterable(source) ? undefined : source.length;
      const hasCollate = options.collate !== undefined;
      const task: WorkerTask = { module: String(options.module), dtypes, hasCollate, length, ...settings };
      this.#pools = Array.from({ length: workers }, () => new Pool(() => start(task, options.startWorker)));
      this.#places = this.#pools.map(placeOf);
    }
    this.#ahead = workers === 0 ? (options.prefetch ?? 0) : workers * (options.prefetch ?? 2);
  }

  /** How many batches an epoch has. @throws TorchError for a dataset that is iterated: nobody knows before its end */
  get length(): number {
    if (this.#order) return this.#order.length;
    throw new TorchError(
      "DataLoader: a dataset that is iterated has no length. Count the batches of a loop.",
    );
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    const epoch = this.epoch;
    this.epoch += 1;
    const stop = new SharedArrayBuffer(4);
    const pass = { epoch, stop, pass: this.#passes++ };
    const live = new Set(Array.from({ length: this.#shards }, (_, shard) => shard));
    const parts = this.#parts(epoch, live);
    const queue: { part: ReadRequest["part"]; held: Promise<Held> }[] = [];
    let number = 0;
    const fill = (count: number): void => {
      while (queue.length < count) {
        const { done, value: part } = parts.next();
        if (done) return;
        const place = this.#places[("shard" in part ? part.shard : number++) % this.#places.length]!;
        const held = holding(() => place.read({ ...pass, part }));
        held.catch(() => {}); // told when its turn comes
        queue.push({ part, held });
      }
    };
    try {
      for (;;) {
        fill(Math.max(1, this.#ahead));
        const next = queue.shift();
        if (!next) return;
        const { value, release } = await next.held;
        try {
          fill(this.#ahead);
          if (value !== undefined) yield (value as { batch: Batch }).batch;
          else if ("shard" in next.part) live.delete(next.part.shard);
        } finally {
          release();
        }
      }
    } finally {
      Atomics.store(new Int32Array(stop), 0, 1);
      for (const { held } of queue) held.then(({ release }) => release()).catch(() => {});
      for (const place of live.size > 0 ? this.#places : []) place.closeStopped().catch(() => {});
    }
  }

  /** Ends the workers when what was asked of them is done; the loader cannot be used afterwards. */
  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What is to be read, batch for batch; shards take turns as long as they have something. */
  *#parts(epoch: number, live: ReadonlySet<number>): Generator<ReadRequest["part"], void> {
    if (this.#order) for (const indices of this.#order.batches(epoch)) yield { indices: [...indices] };
    while (live.size > 0) for (const shard of live) yield { shard, shards: this.#shards };
  }
}

/** @throws TorchError for what cannot be meant */
function checkOptions<Item, Batch>(source: Source<Item>, options: DataLoaderOptions<Item, Batch>): void {
  const { batchSize = 1, workers = 0, prefetch, module, batchSampler, collate: put, dtypes } = options;
  const refuse = (problem: string): never => {
    throw new TorchError(`DataLoader: ${problem}`);
  };
  checkBatchSize(batchSize);
  const given = (names: readonly (keyof typeof options)[]) =>
    names.filter((name) => options[name] !== undefined);
  const ordering = given(["shuffle", "sampler", "batchSampler"]);
  if (isIterable(source) && ordering.length > 0)
    refuse(`${ordering.join(", ")} cannot order a dataset that is iterated. Let its iterate() do it.`);
  const replaced = given(["batchSize", "shuffle", "dropLast", "sampler"]);
  if (batchSampler && replaced.length > 0)
    refuse(`batchSampler decides about ${replaced.join(", ")}. Leave one of them out.`);
  if (options.sampler && options.shuffle) refuse("sampler decides about shuffle. Leave one of them out.");
  if (put && dtypes) refuse("dtypes are for the default collate. Leave out dtypes or collate.");
  if (!(Number.isInteger(workers) && workers >= 0))
    refuse(`workers is ${workers}; it must be a whole number from 0 on.`);
  const least = workers > 0 ? 1 : 0;
  if (prefetch !== undefined && !(Number.isInteger(prefetch) && prefetch >= least))
    refuse(`prefetch is ${prefetch}; it must be a whole number from ${least} on.`);
  if (workers > 0 && module === undefined)
    refuse(
      "workers cannot be given an object; they load it. Pass `module: import.meta.url` of the file whose default export is the dataset.",
    );
}

function orderOf<Item, Batch>(length: number, options: DataLoaderOptions<Item, Batch>): BatchOrder {
  const { batchSize = 1, shuffle = false, seed = 0, dropLast = false } = options;
  const items =
    options.sampler ?? (shuffle ? new RandomSampler(length, { seed }) : new SequentialSampler(length));
  return options.batchSampler ?? new BatchSampler(items, batchSize, { dropLast });
}

function start(task: WorkerTask, startWorker: DataLoaderOptions<never, never>["startWorker"]): Worker {
  const extension = extname(fileURLToPath(import.meta.url)); // .ts in a checkout
  const file = new URL(`./worker${extension}`, import.meta.url);
  return startWorker ? startWorker(file, { workerData: task }) : new Worker(file, { workerData: task });
}

/** A worker as a place; what became of an item there is told as it would be here. */
function placeOf(pool: Pool<(request?: ReadRequest) => Promise<WorkerAnswer>>): Place {
  return {
    async read(request) {
      const answer = await pool.run(request).catch((cause: Error) => {
        throw Object.assign(new TorchError(`A worker failed at ${named(request)}. ${cause.message}`), {
          cause,
        });
      });
      if ("read" in answer) return answer.read;
      const { index, shard, cause } = answer.failed;
      throw new DatasetError(index, request.epoch, rebuilt(cause), shard);
    },
    closeStopped: () => pool.run(),
  };
}

function named({ epoch, part }: ReadRequest): string {
  const items = "shard" in part ? `shard ${part.shard}` : `items ${part.indices.join(", ")}`;
  return `${items} of epoch ${epoch}`;
}

function rebuilt({ name, message, stack }: ErrorParts): Error {
  return Object.assign(new Error(message), { name, ...(stack === undefined ? {} : { stack }) });
}
