import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { data, TorchError } from "../../src/index.ts";

const range = (length: number) => Array.from({ length }, (_, i) => i);
const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);
const size = fc.integer({ min: 0, max: 60 });

describe("Samplers", () => {
  test("in sequence and at random take every item once, and the same order for the same seed and epoch", () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(5), (length, seed, epoch) => {
        expect([...new data.SequentialSampler(length).indices()]).toEqual(range(length));
        const one = new data.RandomSampler(length, { seed });
        expect(sorted(one.indices(epoch))).toEqual(range(length));
        expect(one.indices(epoch)).toEqual(new data.RandomSampler(length, { seed }).indices(epoch));
      }),
    );
    const sampler = new data.RandomSampler(50);
    expect(sampler.indices(0)).not.toEqual(sampler.indices(1));
    expect(sampler.indices(0)).not.toEqual(new data.RandomSampler(50, { seed: 1 }).indices(0));
  });

  test("of a subset take its items and no others", () => {
    const sampler = new data.SubsetRandomSampler([7, 3, 9, 4]);
    expect(sorted(sampler.indices(0))).toEqual([3, 4, 7, 9]);
    expect(sampler.length).toBe(4);
    const orders = range(20).map((epoch) => String([...sampler.indices(epoch)]));
    expect(new Set(orders).size).toBeGreaterThan(10);
  });

  test("with replacement draw as many as asked, uniformly", () => {
    const sampler = new data.RandomSampler(4, { replacement: true, count: 8000 });
    const counts = [0, 0, 0, 0];
    for (const index of sampler.indices(0)) counts[index]! += 1;
    // 2000 each, standard deviation sqrt(8000 * 1/4 * 3/4) = 39: five of them.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(195);
  });

  test("with weights draw in proportion to them, and never what weighs nothing", () => {
    const weights = [1, 0, 3, 4, 0];
    const counts = [0, 0, 0, 0, 0];
    for (const index of new data.WeightedRandomSampler(weights, 8000).indices(3)) counts[index]! += 1;
    expect([counts[1], counts[4]]).toEqual([0, 0]);
    for (const [index, weight] of weights.entries())
      expect(Math.abs(counts[index]! - weight * 1000)).toBeLessThan(5 * Math.sqrt(weight * 1000) + 1);
  });

  test("with weights and without replacement draw each once, and the first one in proportion to the weights", () => {
    const sampler = new data.WeightedRandomSampler([1, 0, 3, 4], 3, { replacement: false });
    const firsts = [0, 0, 0, 0];
    for (const epoch of range(1000)) {
      const drawn = [...sampler.indices(epoch)];
      expect(sorted(drawn)).toEqual([0, 2, 3]);
      firsts[drawn[0]!]! += 1;
    }
    for (const [index, weight] of [1, 0, 3, 4].entries())
      expect(Math.abs(firsts[index]! - weight * 125)).toBeLessThan(5 * Math.sqrt(weight * 125) + 1);
  });

  test("of several processes share out all items, as many to each, in one order", () => {
    fc.assert(
      fc.property(
        size,
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        fc.nat(3),
        (length, worldSize, dropLast, epoch) => {
          const parts = range(worldSize).map(
            (rank) => new data.DistributedSampler(length, { rank, worldSize, dropLast, seed: 5 }),
          );
          const each = dropLast ? Math.floor(length / worldSize) : Math.ceil(length / worldSize);
          const drawn = parts.map((part) => [...part.indices(epoch)]);
          for (const [rank, indices] of drawn.entries()) {
            expect(indices.length).toBe(each);
            expect(parts[rank]!.length).toBe(each);
          }
          const distinct = new Set(drawn.flat());
          expect(distinct.size).toBe(dropLast ? each * worldSize : length);
        },
      ),
    );
    const plain = new data.DistributedSampler(5, { rank: 1, worldSize: 2, shuffle: false });
    expect([...plain.indices(0)]).toEqual([1, 3, 0]);
  });

  test("in batches leave out a smaller last one where that is asked for, and say how many there are", () => {
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 9 }), fc.boolean(), (length, batchSize, dropLast) => {
        const order = new data.BatchSampler(new data.SequentialSampler(length), batchSize, { dropLast });
        const batches = [...order.batches(0)];
        expect(batches.length).toBe(order.length);
        const kept = dropLast ? length - (length % batchSize) : length;
        expect(batches.flat()).toEqual(range(kept));
        for (const batch of batches.slice(0, -1)) expect(batch.length).toBe(batchSize);
      }),
    );
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      "more items than there are",
      () => new data.RandomSampler(3, { count: 4 }),
      /4 items cannot be drawn.*0 … 3/,
    ],
    ["items of nothing", () => new data.RandomSampler(0, { count: 1, replacement: true }), /of no items/],
    ["negative weights", () => new data.WeightedRandomSampler([1, -1], 2), /weight of item 1 is -1/],
    [
      "weights of which all are 0",
      () => new data.WeightedRandomSampler([0, 0], 1),
      /1 items cannot be drawn/,
    ],
    [
      "more than weigh something",
      () => new data.WeightedRandomSampler([1, 0], 2, { replacement: false }),
      /0 … 1, or draw with replacement/,
    ],
    [
      "a rank outside of the world",
      () => new data.DistributedSampler(3, { rank: 2, worldSize: 2 }),
      /rank 2/,
    ],
    ["half a batch", () => new data.BatchSampler(new data.SequentialSampler(3), 0.5), /batch size is 0.5/],
  ])("refuse %s", (_, act, message) => {
    expect(act).toThrow(TorchError);
    expect(act).toThrow(message);
  });
});
