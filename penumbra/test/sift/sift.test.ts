import * as torch from "@penumbra/torch";
import { type Tensor, tensor } from "@penumbra/torch";
import { Random } from "@penumbra/torch/random";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  fitNearness,
  foldsOf,
  type LabelledStages,
  roleOf,
  SiftError,
  searchStrengths,
} from "../../src/sift/index.ts";
import { quantile } from "../../src/unknowns/index.ts";

const distance = fc.double({ min: 0, max: 5, noNaN: true });
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe("the role of an image", () => {
  it("is near-OOD only where it is outside of every class, within reach, and the classifier is not sure", () => {
    const image = fc.record({
      own: distance,
      beside: distance,
      probability: share,
      answer: fc.constantFrom("a", "b"),
    });
    fc.assert(
      fc.property(image, fc.double({ min: 1.01, max: 4, noNaN: true }), share, (given, upper, most) => {
        const { own, beside, probability, answer } = given;
        const nearest = Math.min(own, beside);
        const nearestClass = own <= beside ? "a" : "b";
        const { role, reason } = roleOf(
          { own, nearest, nearestClass, probability, wordProbability: 0, answer },
          "a",
          { upper, probability: most },
        );
        expect(reason).not.toBe("");
        expect(role === "faithful").toBe(own <= 1 && answer === "a");
        expect(role === "near-ood").toBe(nearest > 1 && nearest <= upper && probability <= most);
        expect(role === "other-class").toBe(own > 1 && nearest <= 1);
        expect(role === "too-far").toBe(nearest > upper);
      }),
    );
  });
});

describe("folds", () => {
  const photos = fc
    .array(fc.record({ objects: fc.integer({ min: 2, max: 6 }), views: fc.integer({ min: 1, max: 3 }) }), {
      ...{ minLength: 1, maxLength: 4 },
    })
    .map((classes) =>
      classes.flatMap(({ objects, views }, place) =>
        Array.from({ length: objects * views }, (_, photo) => ({
          className: `class ${place}`,
          object: `class ${place}/${photo % objects}`,
        })),
      ),
    );

  it("keep objects whole and leave every class photos to judge by", () => {
    fc.assert(
      fc.property(photos, fc.integer({ min: 2, max: 5 }), (all, count) => {
        const folds = foldsOf(all, count);
        for (const [place, { object, className }] of all.entries()) {
          expect(folds[place]).toBe(folds[all.findIndex((other) => other.object === object)]);
          const others = all.filter((other, i) => other.className === className && folds[i] !== folds[place]);
          expect(others.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  it("refuse a class of one object, by name", () => {
    const one = [{ className: "bolt", object: "bolt/1" }];
    expect(() => foldsOf(one, 2)).toThrow(SiftError);
    expect(() => foldsOf(one, 2)).toThrow(/"bolt" has a single object.*Raise split.shots to 2 or more/);
  });
});

/** Images of classes in two feature spaces: each about its class's direction. */
function cloud(classes: number, each: number, spread: number, seed: number): LabelledStages {
  const random = new Random(seed);
  const labels = Array.from({ length: classes * each }, (_, i) => i % classes);
  const space = (dimensions: number) =>
    tensor(
      labels.map((label) =>
        Array.from({ length: dimensions }, (_, d) => (d === label ? 3 : 0) + spread * random.normal()),
      ),
      { dtype: "float32" },
    );
  return { labels, stages: [space(6), space(8)] };
}

describe("nearness", () => {
  const near = fitNearness(cloud(3, 20, 0.3, 1), cloud(3, 40, 0.3, 2), { classes: 3 });

  it("is 1 where the known share of held-out photos ends, and as much for new photos", () => {
    expect(quantile(near.held, 0.9)).toBeCloseTo(1, 10);
    const others = cloud(3, 60, 0.3, 3);
    const inside = near.distances(others.stages).filter((row, i) => row[others.labels[i]!]! <= 1).length;
    expect(inside / others.labels.length).toBeGreaterThan(0.8);
    expect(inside / others.labels.length).toBeLessThan(0.97);
  });

  it("does not depend on the scale of the features", () => {
    const scaled = ({ stages, labels }: LabelledStages) => ({
      labels,
      stages: stages.map((stage) => stage.mul(7)),
    });
    const other = fitNearness(scaled(cloud(3, 20, 0.3, 1)), scaled(cloud(3, 40, 0.3, 2)), { classes: 3 });
    const images = cloud(3, 5, 0.3, 4);
    const [own, rescaled] = [near.distances(images.stages), other.distances(scaled(images).stages)];
    for (const [i, row] of own.entries()) {
      for (const [label, value] of row.entries()) expect(rescaled[i]![label]).toBeCloseTo(value, 4);
    }
  });

  it("grows on the way from a class to another one, and shrinks towards that", () => {
    const [from, to] = [
      [1, 0, 0],
      [0, 1, 0],
    ];
    const along = (t: number) =>
      [6, 8].map((dimensions) =>
        tensor([
          Array.from({ length: dimensions }, (_, d) => 3 * ((1 - t) * (from[d] ?? 0) + t * (to[d] ?? 0))),
        ]),
      );
    const rows = [0, 0.25, 0.5, 0.75, 1].map((t) => near.distances(along(t))[0]!);
    for (const [i, row] of rows.slice(1).entries()) {
      expect(row[0]).toBeGreaterThan(rows[i]![0]!);
      expect(row[1]).toBeLessThan(rows[i]![1]!);
    }
    expect(rows[0]![0]).toBeLessThan(1);
    expect(rows[2]!.every((value) => value > 1)).toBe(true);
  });

  it("is refused where a class has no photo, or nothing was held out", () => {
    const nobody = { labels: [], stages: [torch.zeros([0, 6]), torch.zeros([0, 8])] as Tensor[] };
    expect(() => fitNearness(cloud(2, 4, 0.3, 1), cloud(2, 4, 0.3, 2), { classes: 3 })).toThrow(/classes 2/);
    expect(() => fitNearness(cloud(2, 4, 0.3, 1), nobody, { classes: 2 })).toThrow(/held-out photos/);
  });
});

describe("the search of strengths", () => {
  it("finds where a falling share crosses the wanted one, for each class by itself", async () => {
    const crossings = fc.array(fc.double({ min: 0.1, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(crossings, fc.integer({ min: 1, max: 8 }), async (at, rounds) => {
        const found = await searchStrengths({
          ...{ count: at.length, lowest: 0.1, highest: 1, wanted: 0.5, rounds },
          sharesKnown: async (strengths) => strengths.map((strength, i) => (strength < at[i]! ? 1 : 0)),
        });
        for (const [i, strength] of found.entries()) {
          expect(Math.abs(strength - at[i]!)).toBeLessThanOrEqual(0.9 / 2 ** (rounds + 1) + 1e-12);
        }
      }),
    );
  });
});

it("quantiles are NumPy's", () => {
  expect(quantile([3, 1, 2], 0.5)).toBe(2);
  expect(quantile([0, 10], 0.25)).toBe(2.5);
  expect(() => quantile([], 0.5)).toThrow(RangeError);
});
