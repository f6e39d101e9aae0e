import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StudyScores } from "../../src/results/figures.ts";
import { operatingPointsOf, weightedThreshold } from "../../src/results/operating-point.ts";
import type { PartScores, ScoreFile, UnitScores } from "../../src/results/scored.ts";
import { thresholdAtRecall } from "../../src/unknowns/metrics/index.ts";

/** A part with these scores, two photos of each object. */
function part(className: string, scores: readonly number[]): PartScores {
  return {
    ids: scores.map((_, index) => `${className}/${index}.png`),
    objects: scores.map((_, index) => `${className}/${Math.floor(index / 2)}`),
    classNames: scores.map(() => className),
    answers: scores.map(() => 0),
    probabilities: scores.map(() => 0.9),
    scores: { knn: scores },
  };
}

function fileOf(parts: Readonly<Record<"validation" | "test" | "nearTest", readonly number[]>>): ScoreFile {
  const photo = {
    parts: {
      validation: part("bolt validation", parts.validation),
      test: part("bolt", parts.test),
      nearValidation: part("rivet", []),
      standIns: part("jigsaw", []),
      nearTest: part("screw", parts.nearTest),
      farTest: part("cat", []),
      synthetic: part("drift", []),
    },
    unknowns: [],
    synthetic: [],
    trials: [],
  } as unknown as UnitScores;
  return { units: { photo }, fitted: {} };
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);
const options = { detector: "knn", keep: 0.9, confidence: 0.95, bootstrap: 300 };

describe("the operating point", () => {
  it("sets its threshold on validation photos and tells what it does to the test", () => {
    // Nine tenths of 0 … 9 lie at 1 or above; of the test 0.5 … 9.5 one lies below, of the unknown -5 … 4 six do.
    const file = fileOf({ validation: range(0, 10), test: range(0.5, 10), nearTest: range(-5, 10) });
    const [point] = operatingPointsOf(new StudyScores(["bolt"], [{ arm: "supcon", seed: 0, file }]), options);
    expect(point?.known.perSeed).toEqual([0.9]);
    expect(point?.near?.perSeed).toEqual([0.6]);
    expect(point?.far).toBeNull();
    const { interval, mean } = point!.near!;
    expect(interval!.low).toBeLessThan(mean);
    expect(interval!.high).toBeGreaterThan(mean);
  });

  it("is a mean over seeds, with an interval that no object can move where all are alike", () => {
    const file = fileOf({ validation: [1, 1, 1, 1], test: [2, 2, 2, 2], nearTest: [0, 0] });
    const files = [0, 1].map((seed) => ({ arm: "supcon", seed, file }));
    const [point] = operatingPointsOf(new StudyScores(["bolt"], files), options);
    expect(point?.known).toMatchObject({ perSeed: [1, 1], mean: 1, interval: { low: 1, high: 1 } });
    expect(point?.near?.mean).toBe(1);
  });

  it("has the threshold that the metric has, where every photo counts once", () => {
    const scores = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(scores, fc.double({ min: 0.05, max: 1, noNaN: true }), (values, keep) => {
        const order = Int32Array.from(values.keys()).sort((a, b) => values[b]! - values[a]!);
        const weights = new Float64Array(values.length).fill(1);
        expect(weightedThreshold(values, order, weights, keep)).toBe(thresholdAtRecall(values, keep));
      }),
    );
  });
});
