import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arange, data, tensor, zeros } from "../../src/index.ts";

const range = (length: number) => Array.from({ length }, (_, i) => i);
const context = (index: number) => new data.ItemContext(index, 0, 0);

describe("Datasets", () => {
  test("of tensors give their rows", () => {
    const rows = new data.TensorDataset(arange(6).reshape([3, 2]), tensor([7, 8, 9]));
    expect(rows.length).toBe(3);
    expect(rows.get(1).map((row) => row.tolist())).toEqual([[2, 3], 8]);
    expect(() => new data.TensorDataset(zeros([3]), zeros([2, 3]))).toThrow(/\[3\] and \[2, 3\]/);
    expect(() => new data.TensorDataset(zeros([]))).toThrow(/first dimensions of \[\]/);
  });

  test("behind each other are one, and of arrays too", () => {
    const all = new data.ConcatDataset([[1, 2], [], new data.Subset([3, 4, 5], [2, 0])]);
    expect(all.length).toBe(4);
    expect(range(4).map((index) => all.get(index, context(index)))).toEqual([1, 2, 5, 3]);
    expect(() => all.get(4, context(4))).toThrow(/no item 4 among 4/);
    expect(() => new data.Subset([1, 2], [0, 2])).toThrow(/no item 2 among 2/);
  });

  test("are split at random into parts that have each item once, the same for the same seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.nat(), (length, seed) => {
        const items = range(length);
        const parts = data.randomSplit(items, [0.29, 0.21, 0.5], { seed });
        const all = parts.flatMap((part) => range(part.length).map((i) => part.get(i, context(i)) as number));
        expect(all.sort((a, b) => a - b)).toEqual(items);
        const again = data.randomSplit(items, [0.29, 0.21, 0.5], { seed });
        expect(again.map(({ indices }) => indices)).toEqual(parts.map(({ indices }) => indices));
        for (const [i, fraction] of [0.29, 0.21, 0.5].entries())
          expect(Math.abs(parts[i]!.length - fraction * length)).toBeLessThanOrEqual(1);
      }),
    );
    expect(data.randomSplit(range(10), [7, 3]).map(({ length }) => length)).toEqual([7, 3]);
    expect(data.randomSplit([0], [1, 0]).map(({ length }) => length)).toEqual([1, 0]);
    expect(() => data.randomSplit(range(10), [7, 4])).toThrow(/add up to 11.*add up to 10/s);
    expect(() => data.randomSplit(range(10), [0.5, 0.6])).toThrow(/add up to 1\.1/);
  });

  test("are told a seed for each item and epoch", () => {
    const seeds = range(20).flatMap((index) =>
      [0, 1].map((epoch) => new data.ItemContext(index, epoch, 0).seed),
    );
    expect(new Set(seeds).size).toBe(40);
    expect(new data.ItemContext(3, 1, 0).seed).toBe(new data.ItemContext(3, 1, 0).seed);
    expect(new data.ShardContext(3, 4, 1, 0).seed).not.toBe(new data.ItemContext(3, 1, 0).seed);
  });
});
