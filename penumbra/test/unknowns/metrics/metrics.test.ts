import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  accuracy,
  auprIn,
  auprOut,
  aurc,
  auroc,
  ccrAtFpr,
  classFigures,
  ece,
  fpr95IdPositive,
  fpr95OodPositive,
  macroAccuracy,
  macroF1,
  nll,
  oscr,
  riskCoverage,
  rocCurve,
  softmax,
  thresholdAtRecall,
  topAccuracy,
} from "../../../src/unknowns/metrics/index.ts";

// METHODS G: confidences with ties on both sides and between them.
const known = [0.9, 0.8, 0.8, 0.7, 0.6, 0.55, 0.95, 0.3];
const unknown = [0.85, 0.5, 0.5, 0.2, 0.65, 0.1];

const someScores = fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 1, maxLength: 40 });

describe("separation of known and unknown", () => {
  test("AUROC of the worked example is 0.770833", () => {
    expect(auroc(known, unknown)).toBeCloseTo(0.770833, 6);
  });

  test("the area under the ROC curve is the AUROC", () => {
    fc.assert(
      fc.property(someScores, someScores, (ids, oods) => {
        const curve = rocCurve(ids, oods);
        const area = curve.reduce((sum, { unknownPassed: x, knownKept: y }, index) => {
          const before = curve[index - 1];
          return before ? sum + ((x - before.unknownPassed) * (y + before.knownKept)) / 2 : sum;
        }, 0);
        expect(area).toBeCloseTo(auroc(ids, oods), 12);
        expect(curve.at(-1)).toEqual({ unknownPassed: 1, knownKept: 1 });
      }),
    );
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

  test("is refused for a recall outside (0, 1]", () => {
    expect(() => thresholdAtRecall([1], 0)).toThrow(/recall is 0/);
  });
});

/** Scores of known images that are right or not, and of unknown ones. */
const openSet = fc.record({
  known: fc.array(fc.record({ score: fc.integer({ min: -6, max: 6 }), isRight: fc.boolean() }), {
    minLength: 1,
    maxLength: 30,
  }),
  unknown: someScores,
});

describe("open-set recognition", () => {
  test("OSCR is the area under the curve of CCR over FPR at every threshold", () => {
    fc.assert(
      fc.property(openSet, ({ known: images, unknown: others }) => {
        const thresholds = [...new Set([...images.map(({ score }) => score), ...others])].sort(
          (a, b) => b - a,
        );
        const curve = [Number.POSITIVE_INFINITY, ...thresholds].map((threshold) => ({
          fpr: others.filter((score) => score >= threshold).length / others.length,
          ccr: images.filter(({ score, isRight }) => isRight && score >= threshold).length / images.length,
        }));
        const area = curve.reduce((sum, point, index) => {
          const before = curve[index - 1];
          return before ? sum + ((point.fpr - before.fpr) * (point.ccr + before.ccr)) / 2 : sum;
        }, 0);
        const [scores, rights] = [images.map(({ score }) => score), images.map(({ isRight }) => isRight)];
        expect(oscr(scores, rights, others)).toBeCloseTo(area, 12);
        const accuracyOf = rights.filter(Boolean).length / rights.length;
        expect(oscr(scores, rights, others)).toBeLessThanOrEqual(accuracyOf + 1e-12);
        expect(
          oscr(
            scores,
            rights.map(() => true),
            others,
          ),
        ).toBeCloseTo(auroc(scores, others), 12);
        expect(ccrAtFpr(scores, rights, others, 1)).toBeLessThanOrEqual(accuracyOf);
      }),
    );
  });

  test("CCR grows with the FPR that is allowed, and refuses one of 0", () => {
    fc.assert(
      fc.property(openSet, ({ known: images, unknown: others }) => {
        const at = (fpr: number) =>
          ccrAtFpr(
            images.map(({ score }) => score),
            images.map(({ isRight }) => isRight),
            others,
            fpr,
          );
        expect(at(0.1)).toBeLessThanOrEqual(at(0.5));
      }),
    );
    expect(() => ccrAtFpr([1], [true], [0], 0)).toThrow(/rate is 0/);
    expect(() => oscr([1, 2], [true], [0])).toThrow(/2 scores of known images, but of 1/);
  });
});

describe("selective prediction", () => {
  test("AURC is 0 where nothing is wrong, the error rate where confidence tells nothing, and best when errors come last", () => {
    expect(aurc([3, 1, 2], [true, true, true])).toBe(0);
    expect(aurc([1, 1, 1, 1], [true, false, true, true])).toBeCloseTo(0.25, 12);
    const rights = [true, true, false, false];
    expect(aurc([4, 3, 2, 1], rights)).toBeLessThan(aurc([1, 2, 3, 4], rights));
  });

  test("the curve begins with all images and ends with the surest ones, whatever the order of equal confidences", () => {
    fc.assert(
      fc.property(openSet, ({ known: images }) => {
        const curveOf = (list: typeof images) =>
          riskCoverage(
            list.map(({ score }) => score),
            list.map(({ isRight }) => isRight),
          );
        const curve = curveOf(images);
        expect(curve).toEqual(curveOf([...images].reverse()));
        expect(curve[0]).toEqual({
          coverage: 1,
          risk: images.filter(({ isRight }) => !isRight).length / images.length,
        });
        const top = Math.max(...images.map(({ score }) => score));
        const surest = images.filter(({ score }) => score === top);
        expect(curve.at(-1)).toEqual({
          coverage: surest.length / images.length,
          risk: surest.filter(({ isRight }) => !isRight).length / surest.length,
        });
      }),
    );
  });
});

describe("figures of classes", () => {
  test("of a class that is never called or has no images are 0 where they divide by nothing", () => {
    const rows = [
      [1, 0, 0],
      [1, 0, 0],
      [0, 0, 1],
    ];
    const figures = classFigures(rows, [0, 1, 1]);
    expect(figures).toEqual([
      { label: 0, images: 1, precision: 0.5, recall: 1, f1: 2 / 3 },
      { label: 1, images: 2, precision: 0, recall: 0, f1: 0 },
      { label: 2, images: 0, precision: 0, recall: 0, f1: 0 },
    ]);
    expect(macroF1(figures)).toBeCloseTo(2 / 9, 12);
  });

  test("top-1 is the accuracy and top-C is all", () => {
    const logits = fc.array(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 4, maxLength: 4 }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(logits, (rows) => {
        const labels = rows.map((_, i) => i % 4);
        expect(topAccuracy(rows, labels, 1)).toBe(accuracy(rows, labels));
        expect(topAccuracy(rows, labels, 2)).toBeGreaterThanOrEqual(accuracy(rows, labels));
        expect(topAccuracy(rows, labels, 4)).toBe(1);
      }),
    );
  });
});
