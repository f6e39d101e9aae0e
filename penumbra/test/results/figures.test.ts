import { describe, expect, it } from "vitest";
import {
  chooseDetector,
  contrastJudge,
  resultLines,
  StudyScores,
  validationAccuraciesOf,
} from "../../src/results/figures.ts";
import { levelsOf } from "../../src/results/levels.ts";
import type { ResultLine } from "../../src/results/outcome.ts";
import { confusionsOf, histogramsOf, worstMistakes } from "../../src/results/pictures.ts";
import { fuseViewScores, type PartScores, type ScoreFile } from "../../src/results/scored.ts";

const classes = ["bolt", "nut"];

/** A part of `count` photos, two of each object; score of photo i = start + i. */
function part(className: string, count: number, answers: readonly number[], start: number): PartScores {
  const places = Array.from({ length: count }, (_, index) => index);
  return {
    ids: places.map((index) => `${className}/${Math.floor(index / 2)}/${index % 2}.png`),
    objects: places.map((index) => `${className}/${Math.floor(index / 2)}`),
    classNames: places.map(() => className),
    answers: places.map((index) => answers[index] ?? 0),
    probabilities: places.map((index) => 0.5 + index / 100),
    scores: { knn: places.map((index) => start + index), msp: places.map((index) => -index) },
  };
}

function join(a: PartScores, b: PartScores): PartScores {
  return {
    ids: [...a.ids, ...b.ids],
    objects: [...a.objects, ...b.objects],
    classNames: [...a.classNames, ...b.classNames],
    answers: [...a.answers, ...b.answers],
    probabilities: [...a.probabilities, ...b.probabilities],
    scores: Object.fromEntries(
      Object.keys(a.scores).map((name) => [name, [...(a.scores[name] ?? []), ...(b.scores[name] ?? [])]]),
    ),
  };
}

/** Bolts are named rightly but for the first `mistakes` photos; nuts always. */
function scoreFile(mistakes: number): ScoreFile {
  const bolts = part(
    "bolt",
    8,
    Array.from({ length: 8 }, (_, index) => (index < mistakes ? 1 : 0)),
    10,
  );
  const nuts = part("nut", 8, new Array<number>(8).fill(1), 20);
  const test = join(bolts, nuts);
  const right = test.answers.filter((answer, index) => classes[answer] === test.classNames[index]).length;
  return {
    units: {
      photo: {
        parts: {
          validation: test,
          test,
          nearValidation: part("rivet", 4, [], 0),
          standIns: part("jigsaw", 0, [], 0),
          nearTest: part("screw", 4, [], 8),
          farTest: part("cat", 0, [], 0),
          synthetic: part("drift", 0, [], 0),
        },
        classification: {
          ...{ accuracy: right / 16, balancedAccuracy: right / 16, top5: 1, macroF1: right / 16 },
          ...{ nll: 1, brier: 0.5, ece: 0.1, classwiseEce: 0.1, adaptiveEce: 0.1, aurc: 0.1 },
          ...{ items: 16, classes: [] },
        },
        unknowns: [],
        synthetic: [
          {
            ...{ kind: "synthetic", detector: "knn", views: "single", recipe: "drift", auroc: 0.7 },
            ...{ auprIn: 0.8, auprOut: 0.7, fpr95OodPositive: 0.6, fpr95IdPositive: 0.5 },
            ...{ oscr: 0.6, ccrAtFpr10: 0.4, ccrAtFpr1: 0.2 },
          },
        ],
        trials: [],
      },
    },
    fitted: {},
  };
}

const scores = new StudyScores(classes, [
  { arm: "supcon", seed: 0, file: scoreFile(4) },
  { arm: "supcon", seed: 1, file: scoreFile(2) },
  { arm: "supcon+both", seed: 0, file: scoreFile(0) },
  { arm: "supcon+both", seed: 1, file: scoreFile(0) },
]);

describe("the figures of a study", () => {
  it("come as a line for each arm, seed and unit", () => {
    const lines = resultLines(scores, 2, (arm, recipe) => arm === "supcon+both" && recipe === "drift");
    const synthetic = lines.flatMap((line) => (line.kind === "synthetic" ? [line] : []));
    expect(synthetic.map(({ arm, isSeen }) => `${arm} ${isSeen}`)).toEqual([
      ...["supcon false", "supcon false", "supcon+both true", "supcon+both true"],
    ]);
    const others = lines.filter(({ kind }) => kind !== "synthetic");
    expect(others.map(({ arm, seed }) => `${arm} ${seed}`)).toEqual([
      "supcon 0",
      "supcon 1",
      "supcon+both 0",
      "supcon+both 1",
    ]);
  });

  it("are compared seed by seed, with a bootstrap that agrees with the differences", () => {
    const judge = contrastJudge(scores, "photo", "knn", { confidence: 0.95, bootstrap: 200 });
    const contrast = { treatment: ["supcon+both"], control: ["supcon"] };
    const accuracy = judge(contrast, "accuracy");
    expect(accuracy).toMatchObject({ perSeed: [0.25, 0.125] });
    expect(accuracy?.mean).toBeCloseTo(0.1875, 12);
    expect(accuracy?.overObjects?.low).toBeLessThan(0.1875);
    expect(accuracy?.overObjects?.high).toBeGreaterThan(0.1875);
    // Only bolts are ever wrong, so that no redraw of objects can turn the difference round.
    expect(accuracy?.overObjects?.low).toBeGreaterThanOrEqual(0);
    expect(judge({ ...contrast, scale: 2 }, "accuracy")?.perSeed).toEqual([0.5, 0.25]);
    expect(judge(contrast, "far")).toBeNull();
  });

  it("on validation photos are a mean over seeds and classes", () => {
    // Four and two of eight bolts are named wrongly, no nut is.
    expect(validationAccuraciesOf(scores)).toEqual([
      { arm: "supcon", accuracy: (0.75 + 0.875) / 2 },
      { arm: "supcon+both", accuracy: 1 },
    ]);
  });

  it("without a control are the arm's own, which its learning curve is drawn of", () => {
    const judge = contrastJudge(scores, "photo", "knn", { confidence: 0.95, bootstrap: 200 });
    const levels = levelsOf({ arms: ["supcon", "supcon+both"], shots: 2, unit: "photo", judge });
    const of = (arm: string) => levels.find((level) => level.arm === arm && level.outcome === "accuracy")!;
    const difference = judge({ treatment: ["supcon+both"], control: ["supcon"] }, "accuracy")!;
    expect(of("supcon+both").mean - of("supcon").mean).toBeCloseTo(difference.mean, 12);
    expect(of("supcon").perSeed).toEqual([0.75, 0.875]);
    expect(of("supcon").interval!.low).toBeLessThan(of("supcon").mean);
    expect(levels.some(({ outcome }) => outcome === "far")).toBe(false);
  });
});

describe("the choice of the detector", () => {
  const line = (
    detector: "knn" | "msp",
    partName: "validation" | "standIns" | "test",
    auroc: number,
  ): ResultLine => ({
    kind: "unknowns",
    views: "single",
    arm: "supcon",
    seed: 0,
    shots: 2,
    unit: "photo",
    detector,
    part: partName,
    role: "near",
    unknownClass: null,
    auroc,
    auprIn: 0,
    auprOut: 0,
    fpr95OodPositive: 0,
    fpr95IdPositive: 0,
    ...{ oscr: 0, ccrAtFpr10: 0, ccrAtFpr1: 0 },
  });

  const msp = { name: "msp", title: "MSP" };
  const knn = { name: "knn", title: "KNN" };

  it("follows the validation unknowns, whatever the test says", () => {
    const validation = [line("knn", "validation", 0.7), line("msp", "validation", 0.6)];
    for (const test of [0, 0.5, 1]) {
      const lines = [...validation, line("knn", "test", test), line("msp", "test", 1 - test)];
      const { detector, reason } = chooseDetector(lines, [msp, knn]);
      expect(detector).toBe("knn");
      expect(reason).toMatch(/validation unknowns.*70\.0, next MSP with 60\.0/);
    }
  });

  it("follows the images that stand in for unknowns where there are none to choose by, and says so", () => {
    const standIns = [line("knn", "standIns", 0.7), line("msp", "standIns", 0.6)];
    const alone = chooseDetector([...standIns, line("msp", "test", 1)], [msp, knn]);
    expect(alone.detector).toBe("knn");
    expect(alone.reason).toMatch(/stand in for unknowns.*70\.0, next MSP with 60\.0/);
    const beside = [line("knn", "validation", 0.5), line("msp", "validation", 0.6)];
    expect(chooseDetector([...standIns, ...beside], [msp, knn]).detector).toBe("msp");
  });

  it("takes the first one named where there are no unknowns to choose by, and says so", () => {
    const { detector, reason } = chooseDetector([line("knn", "test", 1)], [msp, knn]);
    expect(detector).toBe("msp");
    expect(reason).toMatch(/are of MSP,.*too few near unknown classes/);
  });
});

describe("the pictures of a study", () => {
  it("have histograms that sum to one and hold every photo", () => {
    for (const histogram of histogramsOf(scores, "knn")) {
      const sum = (shares: readonly number[]) => shares.reduce((a, b) => a + b, 0);
      expect(sum(histogram.known)).toBeCloseTo(1, 12);
      expect(sum(histogram.near)).toBeCloseTo(1, 12);
      expect(sum(histogram.far)).toBe(0);
      expect(histogram.edges).toHaveLength(histogram.known.length + 1);
    }
  });

  it("count confusions over all seeds", () => {
    expect(confusionsOf(scores, ["supcon"])).toEqual([
      {
        arm: "supcon",
        classes,
        counts: [
          [10, 6],
          [0, 16],
        ],
      },
    ]);
  });

  it("show the worst mistakes, one an object: the surest wrong names, the most known unknowns", () => {
    const mistakes = worstMistakes(scores, "supcon", "knn", 3);
    const of = (kind: string) => mistakes.filter((mistake) => mistake.kind === kind);
    expect(of("wrong class").map(({ id, probability }) => [id, probability])).toEqual([
      ["bolt/1/1.png", 0.53],
      ["bolt/0/1.png", 0.51],
    ]);
    expect(of("near called known")[0]).toMatchObject({
      id: "screw/1/1.png",
      truth: "screw",
      knownness: 1 / 16,
    });
    expect(of("far called known")).toEqual([]);
    expect(of("known called unknown")[0]).toMatchObject({ id: "bolt/0/0.png", knownness: 0 });
  });
});

describe("the scores of an object's views", () => {
  const objects = ["a", "b", "a", "a"];

  it("become their mean or the least of them, in the order of the first views", () => {
    expect(fuseViewScores([1, 7, 2, 6], objects, "mean")).toEqual([3, 7]);
    expect(fuseViewScores([1, 7, 2, 6], objects, "worst")).toEqual([1, 7]);
  });

  it("need the object of each", () => {
    expect(() => fuseViewScores([1, 2], ["a"], "mean")).toThrow(/Score 1 has no object/);
  });
});
