import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  accuracy,
  auprIn,
  auprOut,
  auroc,
  ece,
  fpr95IdPositive,
  fpr95OodPositive,
  macroAccuracy,
  nll,
  operatingPoint,
  softmax,
  thresholdAtRecall,
} from "../../../src/unknowns/metrics/index.ts";

// METHODS G: confidences with ties on both sides and between them.
const known = [0.9, 0.8, 0.8, 0.7, 0.6, 0.55, 0.95, 0.3];
const unknown = [0.85, 0.5, 0.5, 0.2, 0.65, 0.1];

const someScores = fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 1, maxLength: 40 });

describe("separation of known and unknown", () => {
  test("AUROC of the worked example is 0.770833", () => {
    expect(auroc(known, unknown)).toBeCloseTo(0.770833, 6);
  });

  test("the two FPR95 of the worked example differ by their convention: 0.75 and 0.667", () => {
    expect(fpr95OodPositive(known, unknown)).toBeCloseTo(0.75, 12);
    expect(fpr95IdPositive(known, unknown)).toBeCloseTo(4 / 6, 12);
  });

  test("AUPR of the worked example by trapezoid is 0.757026 out and 0.803860 in", () => {
    expect(auprOut(known, unknown)).toBeCloseTo(0.757026, 6);
    expect(auprIn(known, unknown)).toBeCloseTo(0.80386, 6);
  });

  test("AUROC is the share of won pairs, ties counting half", () => {
    fc.assert(
      fc.property(someScores, someScores, (ids, oods) => {
        let won = 0;
        for (const id of ids) for (const ood of oods) won += id > ood ? 1 : id === ood ? 0.5 : 0;
        expect(auroc(ids, oods)).toBeCloseTo(won / (ids.length * oods.length), 12);
      }),
    );
  });

  test("turning the signs and the roles around leaves AUROC and swaps the named conventions", () => {
    const negated = (scores: readonly number[]) => scores.map((score) => 0 - score);
    fc.assert(
      fc.property(someScores, someScores, (ids, oods) => {
        expect(auroc(negated(oods), negated(ids))).toBeCloseTo(auroc(ids, oods), 12);
        expect(auprIn(negated(oods), negated(ids))).toBeCloseTo(auprOut(ids, oods), 12);
        expect(fpr95IdPositive(negated(oods), negated(ids))).toBeCloseTo(fpr95OodPositive(ids, oods), 12);
      }),
    );
  });

  test("a monotone change of the score changes no metric, and order does not matter", () => {
    const bent = (scores: readonly number[]) => [...scores].reverse().map((score) => Math.exp(score / 3) - 7);
    fc.assert(
      fc.property(someScores, someScores, (ids, oods) => {
        for (const metric of [auroc, auprIn, auprOut, fpr95IdPositive, fpr95OodPositive]) {
          expect(metric(bent(ids), bent(oods))).toBeCloseTo(metric(ids, oods), 12);
        }
      }),
    );
  });

  test("perfect separation gives 1, 1, 1 and no false alarms; infinite scores are scores", () => {
    const ids = new Float64Array([3, 2, Number.POSITIVE_INFINITY]);
    const oods = [1, Number.NEGATIVE_INFINITY];
    expect([auroc(ids, oods), auprIn(ids, oods), auprOut(ids, oods)]).toEqual([1, 1, 1]);
    expect([fpr95IdPositive(ids, oods), fpr95OodPositive(ids, oods)]).toEqual([0, 0]);
  });

  test("an empty set and a NaN are refused with what to do", () => {
    expect(() => auroc([], [1])).toThrow(/no known scores.*Add known images/s);
    expect(() => auroc([1], [])).toThrow(/no unknown scores/);
    expect(() => fpr95IdPositive([1, Number.NaN], [1])).toThrow(/Score 1 of the known images is NaN/);
  });
});

describe("classification and calibration", () => {
  test("accuracy counts rows, macro accuracy counts classes", () => {
    const rows = [
      [2, 1],
      [3, 0],
      [1, 0],
      [1, 0],
    ];
    expect(accuracy(rows, [0, 0, 0, 1])).toBe(0.75);
    expect(macroAccuracy(rows, [0, 0, 0, 1])).toBe(0.5);
  });

  test("a model that is sure and wrong half the time has an ECE near one half", () => {
    const rows = Array.from({ length: 10 }, () => [30, 0]);
    expect(
      ece(
        rows,
        rows.map((_, i) => i % 2),
      ),
    ).toBeCloseTo(0.5, 9);
  });

  test("confidence that equals accuracy in every bin has no calibration error", () => {
    const rows = Array.from({ length: 4 }, () => [Math.log(3), 0]); // 0.75
    expect(ece(rows, [0, 0, 0, 1])).toBeCloseTo(0, 12);
  });

  test("NLL of equal logits is the logarithm of the number of classes, and survives logits of 1e4", () => {
    expect(nll([[1, 1, 1]], [2])).toBeCloseTo(Math.log(3), 12);
    expect(nll([[10_000, 0]], [1])).toBeCloseTo(10_000, 9);
  });

  test("softmax of (2, 1, 0.1) has the maximum 0.659001", () => {
    expect(Math.max(...softmax([2, 1, 0.1]))).toBeCloseTo(0.659001, 6);
  });

  test("labels that do not fit are refused with what to do", () => {
    expect(() => accuracy([[1, 2]], [2])).toThrow(/Label 2 of image 0 is no column of its 2 class scores/);
    expect(() => nll([[1, 2]], [0, 1])).toThrow(/1 rows but 2 labels/);
    expect(() => ece([], [])).toThrow(/no images/);
  });
});

describe("the threshold for use", () => {
  test("accepts at least the asked share of the known validation images, and no less can be had higher up", () => {
    fc.assert(
      fc.property(someScores, fc.double({ min: 0.01, max: 1, noNaN: true }), (ids, recall) => {
        const threshold = thresholdAtRecall(ids, recall);
        const share = (t: number) => ids.filter((score) => score >= t).length / ids.length;
        expect(share(threshold)).toBeGreaterThanOrEqual(recall - 1e-9);
        for (const higher of ids.filter((score) => score > threshold)) {
          expect(share(higher)).toBeLessThan(recall);
        }
      }),
    );
  });

  test("19 of 20 are 95 %: rounding does not cost an image", () => {
    expect(
      thresholdAtRecall(
        Array.from({ length: 20 }, (_, i) => i),
        0.95,
      ),
    ).toBe(1);
  });

  test("is applied to other images as score >= threshold", () => {
    expect(operatingPoint([1, 2, 3], [0, 2], 2)).toEqual({
      threshold: 2,
      knownAccepted: 2 / 3,
      unknownRejected: 0.5,
    });
    expect(() => thresholdAtRecall([1], 0)).toThrow(/recall is 0/);
  });
});
