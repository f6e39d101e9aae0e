import fc from "fast-check";
import { expect, test } from "vitest";
import { batches } from "../../src/data/index.ts";

const labelLists = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 });
const sizes = fc.integer({ min: 1, max: 17 });

test("an epoch visits every image once, in batches of the asked size", () => {
  fc.assert(
    fc.property(labelLists, sizes, fc.nat(), fc.nat(9), (labels, batchSize, seed, epoch) => {
      const all = [...batches(labels, { batchSize, seed, epoch })];
      expect(all.flat().sort((a, b) => a - b)).toEqual(labels.map((_, i) => i));
      for (const batch of all.slice(0, -1)) expect(batch).toHaveLength(batchSize);
    }),
  );
});

test("the order follows from seed and epoch", () => {
  const labels = Array.from({ length: 100 }, () => 0);
  const order = (seed: number, epoch: number) => [...batches(labels, { batchSize: 7, seed, epoch })].flat();
  expect(order(1, 2)).toEqual(order(1, 2));
  expect(order(1, 2)).not.toEqual(order(1, 3));
  expect(order(1, 2)).not.toEqual(order(2, 2));
});

test("balanced batches show all classes equally often, to within one", () => {
  fc.assert(
    fc.property(labelLists, sizes, fc.nat(), (labels, batchSize, seed) => {
      const classes = new Set(labels).size;
      const all = [...batches(labels, { batchSize, seed, epoch: 0, isBalanced: true })];
      expect(all.flat()).toHaveLength(labels.length);
      for (const batch of all) {
        const counts = new Map<number, number>();
        for (const index of batch) counts.set(labels[index]!, (counts.get(labels[index]!) ?? 0) + 1);
        const seen = [...counts.values(), ...(counts.size < classes ? [0] : [])];
        expect(Math.max(...seen) - Math.min(...seen)).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test("a small class repeats an image only after all its others", () => {
  const labels = [...Array.from({ length: 30 }, () => 0), 1, 1, 1];
  const small = [...batches(labels, { batchSize: 8, seed: 3, epoch: 0, isBalanced: true })]
    .flat()
    .filter((i) => i >= 30);
  for (let i = 0; i + 3 <= small.length; i += 3) expect(small.slice(i, i + 3).sort()).toEqual([30, 31, 32]);
});

test("a last batch that is not full can be left out", () => {
  const labels = Array.from({ length: 10 }, () => 0);
  expect(
    [...batches(labels, { batchSize: 4, seed: 0, epoch: 0, dropLast: true })].map((b) => b.length),
  ).toEqual([4, 4]);
  expect(() => [...batches([], { batchSize: 4, seed: 0, epoch: 0 })]).toThrow(/at least one image/);
});
