import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ServedVerdict } from "../../../src/deploy/index.ts";
import { Batcher, QueueFullError } from "../../../src/deploy/index.ts";

const view = (value: number) => Uint8Array.of(value);
/** A verdict whose score is the first value of an object. */
const verdictOf = (views: readonly Uint8Array[]) =>
  ({ score: views[0]![0]!, views: views.length }) as ServedVerdict;

describe("a batcher", () => {
  it("gives every object its own verdict, in batches of no more photos than are allowed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 8 }),
        async (counts, maxBatch) => {
          const sizes: number[] = [];
          const batcher = new Batcher(
            async (objects) => {
              sizes.push(objects.reduce((sum, { length }) => sum + length, 0));
              return objects.map(verdictOf);
            },
            { maxBatch, maxWaitMs: 0, maxQueue: 1000 },
          );
          const verdicts = await Promise.all(
            counts.map((count, i) => batcher.submit(Array.from({ length: count }, () => view(i)))),
          );
          expect(verdicts.map(({ score }) => score)).toEqual(counts.map((_, i) => i));
          expect(verdicts.map(({ views }) => views)).toEqual(counts);
          expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.max(maxBatch, ...counts));
          await batcher.drained();
          expect(batcher.length).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("fills the next batch while one is judged", async () => {
    const sizes: number[] = [];
    const batcher = new Batcher(
      async (objects) => {
        sizes.push(objects.length);
        await new Promise((resolve) => setTimeout(resolve, 30));
        return objects.map(verdictOf);
      },
      { maxBatch: 8, maxWaitMs: 0, maxQueue: 100 },
    );
    const first = batcher.submit([view(0)]);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await Promise.all([first, ...Array.from({ length: 8 }, (_, i) => batcher.submit([view(i)]))]);
    expect(sizes).toEqual([1, 8]);
  });

  it("refuses what is too much, and tells those in a batch that failed, and only them", async () => {
    let calls = 0;
    const batcher = new Batcher(
      async (objects) => {
        if (++calls === 1) throw new Error("lost");
        return objects.map(verdictOf);
      },
      { maxBatch: 2, maxWaitMs: 0, maxQueue: 4 },
    );
    const all = await Promise.allSettled([0, 1, 2, 3, 4].map((i) => batcher.submit([view(i)])));
    const reasons = all.map((result) =>
      result.status === "rejected" ? String(result.reason.message) : "judged",
    );
    expect(reasons.slice(0, 2)).toEqual(["lost", "lost"]);
    expect(reasons.slice(2)).toEqual(["judged", "judged", "judged"]);
    const many = await Promise.allSettled(Array.from({ length: 9 }, () => batcher.submit([view(1)])));
    expect(
      many.some((result) => result.status === "rejected" && result.reason instanceof QueueFullError),
    ).toBe(true);
  });
});
