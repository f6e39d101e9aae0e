// The other contrastive losses: small values computed by hand, what they reduce to, and their limits.
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ContrastError,
  genSupCon,
  hardSupCon,
  multiPositive,
  normalizeRows,
  ntXent,
  redrawLabels,
  supCon,
  supConPerAnchor,
} from "../../../src/contrast/index.ts";

/** Unit vectors in the plane, [B, V, 2], from degrees view by view. */
function plane(...views: readonly (readonly number[])[]): Tensor {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const images = views[0]?.length ?? 0;
  const values = Array.from({ length: images }, (_, i) =>
    views.flatMap((view) => [Math.cos(radians(view[i]!)), Math.sin(radians(view[i]!))]),
  ).flat();
  return torch.fromTyped(Float64Array.from(values), [images, views.length, 2]);
}

const features = () => plane([0, 40, 100], [10, 55, 120]);
const labels = [0, 0, 1];
const rowsOf = (tensor: Tensor) => tensor.transpose(0, 1).flatten({ startDim: 0, endDim: 1 });
/** Unit rows [B, 2, 6] from a seed. */
const drawn = (images: number, seed: number) =>
  normalizeRows(torch.randn([images, 2, 6], { generator: new torch.Generator({ seed }), dtype: "float64" }));
const someLabels = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2, maxLength: 8 });
const seeds = fc.integer({ min: 0, max: 1e6 });

describe("six vectors in the plane", () => {
  test("have the losses that were computed by hand", () =>
    scope(() => {
      expect(ntXent(features()).item()).toBeCloseTo(0.889715, 6);
      expect(ntXent(features(), { temperature: 0.1 }).item()).toBeCloseTo(0.186593, 6);
      expect(supCon(features(), { labels, form: "in" }).item()).toBeCloseTo(0.763621, 6);
      expect(multiPositive(rowsOf(features()), [...labels, ...labels]).item()).toBeCloseTo(1.285164, 6);
      for (const [hardness, value] of [
        [0, 0.762211],
        [0.5, 0.797907],
        [1, 0.828746],
        [5, 0.925382],
      ] as const) {
        expect(hardSupCon(features(), { labels, hardness }).item()).toBeCloseTo(value, 6);
      }
      const distributions = torch.fromTyped(
        Float64Array.from([1, 0, 0.7, 0.3, 0, 1, 1, 0, 0.6, 0.4, 0.2, 0.8]),
        [6, 2],
      );
      expect(genSupCon(rowsOf(features()), distributions).item()).toBeCloseTo(3.086179, 6);
      expect(genSupCon(rowsOf(features()), distributions, { baseTemperature: 0.07 }).item()).toBeCloseTo(
        4.408828,
        6,
      );
    }));
});

describe("SupCon with the mean inside (L_in)", () => {
  test("is what its formula says, anchor by anchor, with and without negatives", () => {
    fc.assert(
      fc.property(someLabels, seeds, (classes, seed) =>
        scope(() => {
          const unit = drawn(classes.length, seed);
          const negatives = drawn(3, seed + 1)
            .narrow(1, 0, 1)
            .squeeze(1);
          const got = supConPerAnchor(unit, {
            labels: classes,
            form: "in",
            negatives,
            negativeWeight: 2,
          }).toNumbers();
          const rows = toRows(rowsOf(unit));
          const others = toRows(negatives);
          const groups = [...classes, ...classes];
          for (const [i, anchor] of rows.entries()) {
            const e = (row: readonly number[]) => Math.exp(dot(anchor, row) / 0.1);
            const denominator = sum(rows.map((row, a) => (a === i ? 0 : e(row)))) + 2 * sum(others.map(e));
            const positives = rows.filter((_, p) => p !== i && groups[p] === groups[i]);
            expect(got[i]).toBeCloseTo(-Math.log(sum(positives.map(e)) / positives.length / denominator), 8);
          }
        }),
      ),
      { numRuns: 30 },
    );
  });

  test("is never above the mean outside (Jensen)", () => {
    fc.assert(
      fc.property(someLabels, seeds, (classes, seed) =>
        scope(() => {
          const unit = drawn(classes.length, seed);
          const [inside, outside] = (["in", "out"] as const).map((form) =>
            supConPerAnchor(unit, { labels: classes, form }).toNumbers(),
          );
          for (const [i, value] of inside!.entries()) expect(value).toBeLessThanOrEqual(outside![i]! + 1e-9);
        }),
      ),
    );
  });

  test("of an anchor without positives is 0, and its gradients are finite", () =>
    scope(() => {
      const unit = plane([0, 40, 100]).requiresGrad_();
      const loss = supConPerAnchor(unit, { labels: [0, 0, 1], form: "in" });
      expect(loss.toNumbers()[2]).toBe(0);
      loss.mean().backward();
      expect(unit.grad?.toNumbers().every(Number.isFinite)).toBe(true);
    }));
});

describe("hard negatives", () => {
  test("do not overflow where the weights themselves would", () =>
    scope(() => {
      const unit = drawn(6, 1).to("float32");
      const loss = hardSupCon(unit, { labels: [0, 1, 2, 0, 1, 2], temperature: 0.05, hardness: 5 });
      expect(Number.isFinite(loss.item())).toBe(true); // e^(20 x 5) is no float32
    }));

  test("that are missing cost nothing", () =>
    scope(() => expect(hardSupCon(drawn(3, 2), { labels: [1, 1, 1] }).item()).toBe(0)));

  test("have another gradient where their weights are detached, and the same loss", () =>
    scope(() => {
      const [through, detached] = [false, true].map((detachWeights) => {
        const leaf = drawn(5, 3).requiresGrad_();
        const loss = hardSupCon(leaf, { labels: [0, 1, 0, 1, 2], hardness: 2, detachWeights });
        loss.backward();
        return { value: loss.item(), gradient: leaf.grad!.toNumbers() };
      });
      expect(detached!.value).toBe(through!.value);
      expect(detached!.gradient).not.toEqual(through!.gradient);
    }));

  test("refuse a hardness below 0", () => {
    expect(() => hardSupCon(drawn(3, 2), { labels: [0, 1, 0], hardness: -1 })).toThrow(ContrastError);
  });
});

describe("generalized SupCon", () => {
  test("of one-hot labels is SupCon", () => {
    fc.assert(
      fc.property(someLabels, seeds, (classes, seed) =>
        scope(() => {
          const unit = drawn(classes.length, seed);
          const oneHot = redrawLabels([...classes, ...classes], [], 3);
          expect(genSupCon(rowsOf(unit), oneHot).item()).toBeCloseTo(
            supCon(unit, { labels: classes }).item(),
            6,
          );
        }),
      ),
    );
  });

  test("adds what a teacher says, by its weight", () =>
    scope(() => {
      const unit = rowsOf(drawn(4, 5));
      const own = redrawLabels([0, 1, 2, 0, 0, 1, 2, 0], [], 3);
      const teacher = torch
        .randn([8, 3], { generator: new torch.Generator({ seed: 6 }), dtype: "float64" })
        .softmax(1);
      const both = genSupCon(unit, own, { teacher, teacherWeight: 0.3 }).item();
      expect(both).toBeCloseTo(genSupCon(unit, own).item() + 0.3 * genSupCon(unit, teacher).item(), 12);
    }));

  test("of a row of zeros is finite: it is like no other", () =>
    scope(() => {
      const leaf = rowsOf(drawn(2, 7)).requiresGrad_();
      const loss = genSupCon(leaf, torch.zeros([4, 3], { dtype: "float64" }));
      expect(Math.abs(loss.item())).toBe(0);
      loss.backward();
      expect(leaf.grad?.toNumbers().every((value) => Math.abs(value) === 0)).toBe(true);
    }));

  test("refuses labels that are not one row a row", () => {
    expect(() => genSupCon(rowsOf(drawn(2, 1)), torch.zeros([3, 2]))).toThrow(
      /distributions of shape \[3,2\]/,
    );
  });
});

describe("the labels of redraws", () => {
  test("go from the photo's class to the word's with the strength, and sum to 1", () =>
    scope(() => {
      const words = [
        null,
        { label: 1, strength: 0.5 },
        { label: 1, strength: 1 },
        { label: 0, strength: 0.9 },
      ];
      const rows = toRows(redrawLabels([0, 0, 0, 0], words, 3));
      const share = 0.5 ** 0.8;
      expect(rows[0]).toEqual([1, 0, 0]);
      expect(rows[1]![0]).toBeCloseTo(1 - share, 12);
      expect(rows[1]![1]).toBeCloseTo(share, 12);
      expect(rows[2]).toEqual([0, 1, 0]);
      expect(rows[3]![0]).toBeCloseTo(1, 12);
      for (const row of rows) expect(sum(row)).toBeCloseTo(1, 12);
    }));
});

describe("NT-Xent", () => {
  test("is SupCon in which every image is a class of its own", () =>
    scope(() => {
      const unit = drawn(5, 8);
      expect(ntXent(unit).item()).toBeCloseTo(
        supCon(unit, { labels: [0, 1, 2, 3, 4], temperature: 0.5 }).item(),
        12,
      );
    }));

  test("refuses one view", () => {
    expect(() => ntXent(plane([0, 10]))).toThrow(/one view of each image and no labels/);
  });
});

function toRows(matrix: Tensor): number[][] {
  const [count = 0, width = 0] = matrix.shape;
  const values = matrix.contiguous().toNumbers();
  return Array.from({ length: count }, (_, row) => values.slice(row * width, (row + 1) * width));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return sum(a.map((value, i) => value * b[i]!));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
