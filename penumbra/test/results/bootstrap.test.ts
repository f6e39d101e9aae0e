import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pairedBootstrap, weightedAccuracy, weightedClassAuroc } from "../../src/results/bootstrap.ts";
import { percentileInterval } from "../../src/results/statistics.ts";
import { auroc } from "../../src/unknowns/metrics/index.ts";
import { mulberry } from "../report/outcome.ts";

const items = fc.array(
  fc.record({
    score: fc.integer({ min: 0, max: 9 }),
    group: fc.constantFrom("known", "a", "b"),
    weight: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 8, maxLength: 40 },
);

describe("the weighted AUROC", () => {
  it("is the mean over unknown classes of the AUROC of the repeated items, ties included", () => {
    fc.assert(
      fc.property(items, (list) => {
        const repeat = (group: string) =>
          list.flatMap((item) => (item.group === group ? Array<number>(item.weight).fill(item.score) : []));
        const [known, a, b] = [repeat("known"), repeat("a"), repeat("b")];
        fc.pre(known.length > 0 && a.length > 0 && b.length > 0);
        const weighted = weightedClassAuroc(
          list.map(({ score }) => score),
          list.map(({ group }) => group),
        )(Float64Array.from(list, ({ weight }) => weight));
        expect(weighted).toBeCloseTo((auroc(known, a) + auroc(known, b)) / 2, 12);
      }),
    );
  });

  it("leaves out an unknown class whose items have no weight", () => {
    const figure = weightedClassAuroc([0.9, 0.1, 0.95], ["known", "a", "b"]);
    expect(figure(Float64Array.from([1, 1, 0]))).toBe(1);
    expect(figure(Float64Array.from([1, 1, 1]))).toBe(0.5);
    expect(figure(Float64Array.from([1, 0, 0]))).toBeNaN();
  });

  it("does not see items without a group", () => {
    const weights = Float64Array.from([1, 1, 1]);
    const with3 = weightedClassAuroc([0.9, 0.1, 0.95], ["known", "a", null])(weights);
    expect(with3).toBe(1);
  });
});

describe("the weighted accuracy", () => {
  it("counts each item by its weight and leaves unknowns out", () => {
    expect(weightedAccuracy([true, false, null])(Float64Array.from([3, 1, 100]))).toBe(0.75);
  });
});

describe("the paired bootstrap over objects", () => {
  const objectOfItem = Array.from({ length: 120 }, (_, item) => Math.floor(item / 4));
  const classOfObject = Array.from({ length: 30 }, (_, object) => `class ${object % 3}`);

  it("has no spread where both arms make the same mistakes", () => {
    const random = mulberry(3);
    const figure = weightedAccuracy(objectOfItem.map(() => random() < 0.7));
    const replicates = pairedBootstrap([{ objectOfItem, treatment: figure, control: figure }], {
      classOfObject,
      replicates: 50,
      uniform: mulberry(1),
    });
    expect(new Set(replicates)).toEqual(new Set([0]));
  });

  it("is wider for the same photos when they show fewer objects", () => {
    const random = mulberry(5);
    const isHit = Array.from({ length: 30 }, () => random() < 0.6);
    const width = (objects: readonly number[], classes: readonly string[]) => {
      const replicates = pairedBootstrap(
        [
          {
            objectOfItem: objects,
            treatment: weightedAccuracy(objectOfItem.map((object) => isHit[object] ?? false)),
            control: () => 0,
          },
        ],
        { classOfObject: classes, replicates: 400, uniform: mulberry(2) },
      );
      const interval = percentileInterval(replicates);
      return (interval?.high ?? 0) - (interval?.low ?? 0);
    };
    const byPhoto = width(
      objectOfItem.map((_, item) => item),
      objectOfItem.map((object) => classOfObject[object] ?? ""),
    );
    // Four equal photos an object: standard errors differ by a factor of two.
    expect(width(objectOfItem, classOfObject) / byPhoto).toBeGreaterThan(1.6);
  });

  it("gives the same replicates for the same random numbers", () => {
    const random = mulberry(9);
    const pair = {
      objectOfItem,
      treatment: weightedAccuracy(objectOfItem.map(() => random() < 0.8)),
      control: weightedAccuracy(objectOfItem.map(() => random() < 0.7)),
    };
    const draw = () => pairedBootstrap([pair, pair], { classOfObject, replicates: 20, uniform: mulberry(4) });
    expect(draw()).toEqual(draw());
  });

  it("does not grow surer by testing the same objects at more seeds", () => {
    const random = mulberry(11);
    const pair = {
      objectOfItem,
      treatment: weightedAccuracy(objectOfItem.map(() => random() < 0.8)),
      control: weightedAccuracy(objectOfItem.map(() => random() < 0.7)),
    };
    const replicatesOf = (seeds: number) =>
      pairedBootstrap(new Array<typeof pair>(seeds).fill(pair), {
        classOfObject,
        replicates: 50,
        uniform: mulberry(6),
      });
    const once = replicatesOf(1);
    for (const [index, value] of replicatesOf(4).entries()) expect(value).toBeCloseTo(once[index] ?? 0, 12);
  });
});
