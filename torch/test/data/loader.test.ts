import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as torch from "../../src/index.ts";
import { data, keep, memory, scope, type Tensor } from "../../src/index.ts";
import { collect } from "../collect.ts";
import { startTypeScript as startWorker } from "../threads/start.ts";
import { LENGTHS, Lines } from "./lines.child.ts";
import { Numbers } from "./numbers.child.ts";

beforeEach(collect);
afterEach(() => {
  delete process.env.PENUMBRA_TEST_FAIL;
  delete process.env.PENUMBRA_TEST_EXIT;
});

const module = (name: string) => new URL(`./${name}.child.ts`, import.meta.url);
const numbers = (options: data.DataLoaderOptions<never, never> = {}) =>
  new data.DataLoader(new Numbers(), {
    batchSize: 4,
    dtypes: { label: "int64" },
    module: module("numbers"),
    startWorker,
    ...(options as object),
  });

/** All that a loop gives, as plain values. */
async function all(loader: AsyncIterable<unknown>): Promise<unknown[]> {
  const plain = (value: unknown): unknown =>
    value instanceof torch.Tensor
      ? value.tolist()
      : Array.isArray(value)
        ? value.map(plain)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]))
          : value;
  const batches: unknown[] = [];
  for await (const batch of loader) batches.push(plain(batch));
  return batches;
}

describe("A loader", () => {
  test("goes through all items in order, in batches", async () => {
    const loader = numbers();
    expect(loader.length).toBe(6);
    const labels: number[][] = [];
    for await (const { x, label, name } of loader) {
      expect(x.shape).toEqual([label.numel, 3]);
      expect(name).toEqual(label.toNumbers().map((number) => `0/${number}`));
      labels.push(label.toNumbers());
    }
    expect(labels.flat()).toEqual(Array.from({ length: 23 }, (_, i) => i));
    expect(labels.map(({ length }) => length)).toEqual([4, 4, 4, 4, 4, 3]);
    expect((await all(numbers({ dropLast: true }))).length).toBe(5);
  });

  test("shuffles by seed, otherwise in each epoch, and goes on with an epoch", async () => {
    const loader = numbers({ shuffle: true, seed: 7 });
    const first = await all(loader);
    const second = await all(loader);
    expect(first).not.toEqual(second);
    const later = numbers({ shuffle: true, seed: 7 });
    later.epoch = 1;
    expect(await all(later)).toEqual(second);
    expect(await all(numbers({ shuffle: true, seed: 8 }))).not.toEqual(first);
  });

  test("gives the same bits for any number of workers and batches ahead", async () => {
    const settings = { shuffle: true, seed: 3 };
    const alone = numbers(settings);
    const expected = [await all(alone), await all(alone)];
    const ahead = numbers({ ...settings, prefetch: 3 });
    expect([await all(ahead), await all(ahead)]).toEqual(expected);
    for (const workers of [1, 2]) {
      await using loader = numbers({ ...settings, workers, prefetch: workers });
      expect([await all(loader), await all(loader)]).toEqual(expected);
    }
  });

  test("takes arrays, samplers and a collate function", async () => {
    const letters = ["a", "b", "c"];
    expect(await all(new data.DataLoader(letters))).toEqual([["a"], ["b"], ["c"]]);
    const sampler = new data.SubsetRandomSampler([2, 0]);
    const joined = new data.DataLoader(letters, {
      sampler,
      batchSize: 2,
      collate: (items) => items.sort().join(""),
    });
    expect(await all(joined)).toEqual(["ac"]);
    const batchSampler = { length: 2, batches: () => [[2, 2], [1]] };
    expect(await all(new data.DataLoader(letters, { batchSampler }))).toEqual([["c", "c"], ["b"]]);
  });

  test("releases a batch when the next one is asked for, except what is kept", async () => {
    const before = memory().tensors;
    const kept: Tensor[] = [];
    const seen: Tensor[] = [];
    for await (const { x, label } of numbers()) {
      expect(memory().tensors - before - kept.length).toBe(2);
      expect(seen.every((tensor) => tensor.isDisposed)).toBe(true);
      seen.push(x);
      kept.push(keep(label));
      scope(() => void x.sum());
    }
    expect(memory().tensors - before).toBe(6);
    expect(kept.map((label) => label.toNumbers().length)).toEqual([4, 4, 4, 4, 4, 3]);
    for (const label of kept) label.dispose();
    expect(memory().tensors).toBe(before);
  });

  test("leaves a dataset's own tensors alone", async () => {
    const rows = new data.TensorDataset(torch.randn([5, 2]), torch.arange(5));
    const before = memory().tensors;
    expect((await all(new data.DataLoader(rows, { batchSize: 2 }))).length).toBe(3);
    expect(memory().tensors).toBe(before);
    expect(rows.tensors[0].shape).toEqual([5, 2]);
    for (const tensor of rows.tensors) tensor.dispose();
  });

  test("stops reading where the loop is left, and releases what was read ahead", async () => {
    const before = memory();
    await using loader = numbers({ workers: 2 });
    let turns = 0;
    for await (const { label } of loader) {
      expect(label.numel).toBe(4);
      turns += 1;
      if (turns === 2) break;
    }
    // The next loop is told the same by the same workers.
    const batches = await all(loader);
    expect(batches.length).toBe(6);
    await expect(
      (async () => {
        for await (const _ of loader) throw new RangeError("of the loop");
      })(),
    ).rejects.toThrow("of the loop");
    await loader.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(memory().tensors).toBe(before.tensors);
    expect(memory().given).toBe(before.given);
    await expect(all(loader)).rejects.toThrow(/closed/);
  });

  test("tells which item could not be read, alone as with workers, and can be used again", async () => {
    process.env.PENUMBRA_TEST_FAIL = "9";
    for (const workers of [0, 1]) {
      await using loader = numbers({ workers });
      const labels: number[] = [];
      const reading = (async () => {
        for await (const { label } of loader) labels.push(...label.toNumbers());
      })();
      await expect(reading).rejects.toMatchObject({
        name: "DatasetError",
        index: 9,
        message: expect.stringMatching(
          /Item 9 could not be read in epoch 0: RangeError: on purpose\. Correct/,
        ),
        cause: expect.objectContaining({
          name: "RangeError",
          stack: expect.stringContaining("numbers.child"),
        }),
      });
      expect(labels).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    }
    expect(memory().given).toBe(0);
  });

  test("says so where a worker ends, and starts another for the next loop", async () => {
    process.env.PENUMBRA_TEST_EXIT = "2";
    await using loader = numbers({ workers: 1, prefetch: 1 }); // a thread that starts before `delete` would end again
    await expect(all(loader)).rejects.toThrow(/failed at items 0, 1, 2, 3 of epoch 0.*ended with code 3/);
    delete process.env.PENUMBRA_TEST_EXIT;
    expect((await all(loader)).length).toBe(6);
  });
});

describe("A dataset that is iterated", () => {
  const lines = (options: object = {}) => {
    const dataset = new Lines();
    const loader = new data.DataLoader(dataset, {
      batchSize: 3,
      module: module("lines"),
      startWorker,
      ...options,
    });
    return { dataset, loader };
  };

  test("comes in batches of its shards, which take turns, the same for any number of workers", async () => {
    const { dataset, loader } = lines();
    const expected = [await all(loader), await all(loader)] as [Tensor[][], Tensor[][]];
    expect(expected[0].map(([, label]) => label)).toEqual([
      [0, 1, 2],
      [200, 201, 202],
      [300, 301],
      [3, 4],
      [203, 204, 205],
      [206, 207],
    ]);
    expect(expected[0][0]![0]).not.toEqual(expected[1][0]![0]); // another epoch, another seed
    expect(dataset.closed.length).toBe(2 * LENGTHS.length);
    expect((await all(lines({ prefetch: 5 }).loader)).length).toBe(6);
    for (const workers of [1, 3]) {
      await using threaded = lines({ workers }).loader;
      expect([await all(threaded), await all(threaded)]).toEqual(expected);
    }
    expect((await all(lines({ dropLast: true }).loader)).length).toBe(3);
    expect(() => loader.length).toThrow(/iterated has no length/);
  });

  test("is closed where the loop is left", async () => {
    const { dataset, loader } = lines();
    for await (const [, label] of loader) if (label.at(0).item() === 200) break;
    await new Promise((resolve) => setImmediate(resolve));
    expect(dataset.closed.sort()).toEqual([0, 1, 2]); // 1 at its end, 3 was never begun
  });

  test("tells the shard and the item that could not be read", async () => {
    process.env.PENUMBRA_TEST_FAIL = "2/4";
    for (const workers of [0, 1]) {
      await using loader = lines({ workers }).loader;
      await expect(all(loader)).rejects.toMatchObject({ name: "DatasetError", index: 4, shard: 2 });
    }
  });

  test("may be a plain generator", async () => {
    const squares: data.IterableDataset<number> = {
      *iterate() {
        for (let i = 0; i < 5; i += 1) yield i * i;
      },
    };
    expect(await all(new data.DataLoader(squares, { batchSize: 2 }))).toEqual([[0, 1], [4, 9], [16]]);
  });
});

describe("A loader refuses", () => {
  const array = [1, 2, 3];
  const iterated = { iterate: () => array };
  test.each<[string, () => unknown, RegExp]>([
    [
      "workers without a module",
      () => new data.DataLoader(array, { workers: 1 }),
      /module: import\.meta\.url/,
    ],
    ["half a worker", () => new data.DataLoader(array, { workers: 0.5 }), /workers is 0\.5/],
    ["batches of nothing", () => new data.DataLoader(array, { batchSize: 0 }), /batch size is 0/],
    ["a negative prefetch", () => new data.DataLoader(array, { prefetch: -1 }), /prefetch is -1/],
    [
      "a sampler that is to be shuffled",
      () => new data.DataLoader(array, { sampler: new data.SequentialSampler(3), shuffle: true }),
      /sampler decides about shuffle/,
    ],
    [
      "a batch sampler beside a batch size",
      () => new data.DataLoader(array, { batchSampler: { length: 0, batches: () => [] }, batchSize: 2 }),
      /batchSampler decides about batchSize/,
    ],
    [
      "to order what is iterated",
      () => new data.DataLoader(iterated, { shuffle: true }),
      /shuffle cannot order a dataset that is iterated/,
    ],
    [
      "dtypes of a collate function",
      () => new data.DataLoader(array, { collate: (x) => x, dtypes: { "": "int64" } }),
      /dtypes are for the default collate/,
    ],
  ])("%s", (_, act, message) => {
    expect(act).toThrow(torch.TorchError);
    expect(act).toThrow(message);
  });

  test("a sampler's item that is not there, and items that do not go together, naming them", async () => {
    const sampler = { length: 1, indices: () => [3] };
    await expect(all(new data.DataLoader(array, { sampler }))).rejects.toThrow(
      /item 3, and the dataset has 3/,
    );
    const mixed: (number | string)[] = [1, 2, "a", 4];
    await expect(all(new data.DataLoader(mixed, { batchSize: 2 }))).rejects.toThrow(
      /batch of items 2, 3 cannot be put together.*item 1 of the batch has a number/s,
    );
  });

  test("a module whose dataset is another one", async () => {
    const other = (dataset: readonly number[], options: object = {}) =>
      new data.DataLoader(dataset, { workers: 1, module: module("numbers"), startWorker, ...options });
    await using shorter = other(array);
    await expect(all(shorter)).rejects.toThrow(/has 23 length in a worker, and the loader's 3/);
    await using collated = other(
      Array.from({ length: 23 }, () => 0),
      { collate: (x: number[]) => x },
    );
    await expect(all(collated)).rejects.toThrow(/exports none.*`collate`/s);
    await using missing = other(array, { module: new URL("./none.ts", import.meta.url) });
    await expect(all(missing)).rejects.toThrow(/none\.ts/);
  });
});
