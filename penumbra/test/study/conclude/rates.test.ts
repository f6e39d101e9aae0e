import { describe, expect, it } from "vitest";
import { type PartScores, type ScoreFile, StudyScores, type UnitScores } from "../../../src/results/index.ts";
import { rateCurvesOf } from "../../../src/study/conclude/rates.ts";

function part(className: string, scores: readonly number[], answers: readonly number[]): PartScores {
  return {
    ids: scores.map((_, index) => `${className}/${index}`),
    objects: scores.map((_, index) => `${className}/${index}`),
    classNames: scores.map(() => className),
    answers,
    probabilities: scores.map((score) => score / 10),
    scores: { knn: scores },
  };
}

function scoresOf(
  known: readonly number[],
  near: readonly number[],
  answers: readonly number[],
): StudyScores {
  const parts = {
    test: part("bolt", known, answers),
    nearTest: part("screw", near, []),
    farTest: part("cat", [], []),
  };
  const file: ScoreFile = { units: { photo: { parts } as unknown as UnitScores }, fitted: {} };
  return new StudyScores(["bolt", "nut"], [{ arm: "supcon", seed: 0, file }]);
}

const areaOf = (points: readonly { readonly x: number; readonly y: number }[]) =>
  points.reduce((area, point, index) => {
    const before = points[index - 1];
    return before ? area + ((point.x - before.x) * (point.y + before.y)) / 2 : area;
  }, 0);

describe("the curves of the report", () => {
  it("run from no unknown let through to all, over the area that the AUROC is", () => {
    const [curve] = rateCurvesOf(scoresOf([1, 2, 3, 4], [0, 1, 2, 3], [0, 0, 0, 0]), "knn");
    const near = curve!.near!;
    expect(near.at(-1)).toEqual({ x: 1, y: 1 });
    expect(near.every((point, index) => index === 0 || point.y >= near[index - 1]!.y)).toBe(true);
    // P(known > unknown) + P(equal) / 2 = (10 + 3 / 2) / 16; the even places cut corners by less than one of them.
    expect(Math.abs(areaOf(near) - 11.5 / 16)).toBeLessThan(1 / 50);
    expect(curve!.far).toBeNull();
  });

  it("of a detector that separates all keep everything before the first unknown passes", () => {
    const [curve] = rateCurvesOf(scoresOf([5, 6], [0, 1], [0, 0]), "knn");
    expect(curve!.near!.map(({ y }) => y)).toEqual(curve!.near!.map(() => 1));
  });

  it("of the risk end at the share of wrong names, and begin with the surest", () => {
    const [curve] = rateCurvesOf(scoresOf([9, 8, 7, 6], [0], [0, 0, 1, 1]), "knn");
    expect(curve!.risk.at(-1)).toEqual({ x: 1, y: 0.5 });
    expect(curve!.risk[0]).toEqual({ x: 0, y: 0 });
  });
});
