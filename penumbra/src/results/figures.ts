import { Random } from "@penumbra/torch/random";
import {
  type BootstrapPair,
  pairedBootstrap,
  type WeightedStatistic,
  weightedAccuracy,
  weightedClassAuroc,
} from "./bootstrap.ts";
import type { Comparison, OutcomeName, ResultLine, Unit, UnknownsResult } from "./outcome.ts";
import { type Contrast, compareArms, type Question } from "./questions.ts";
import { type PartScores, type ScoreFile, scoresOf, type UnitScores, valueAt } from "./scored.ts";
import { mean, percentileInterval } from "./statistics.ts";

/** The scores of every arm at every seed. */
export class StudyScores {
  readonly arms: readonly string[];
  readonly seeds: readonly number[];
  /** Known classes: label = index. */
  readonly classes: readonly string[];
  readonly #files: ReadonlyMap<string, ScoreFile>;

  constructor(
    classes: readonly string[],
    files: readonly { readonly arm: string; readonly seed: number; readonly file: ScoreFile }[],
  ) {
    this.classes = classes;
    this.arms = [...new Set(files.map(({ arm }) => arm))];
    this.seeds = [...new Set(files.map(({ seed }) => seed))];
    this.#files = new Map(files.map(({ arm, seed, file }) => [`${arm} ${seed}`, file]));
  }

  unit(arm: string, seed: number, unit: Unit): UnitScores | undefined {
    return this.#files.get(`${arm} ${seed}`)?.units[unit];
  }

  photo(arm: string, seed: number): UnitScores {
    const scores = this.unit(arm, seed, "photo");
    if (!scores) throw new RangeError(`There are no scores of ${arm} at seed ${seed}.`);
    return scores;
  }
}

/** All lines of results.jsonl, in the order of arms and seeds. */
export function resultLines(scores: StudyScores): ResultLine[] {
  return scores.arms.flatMap((arm) =>
    scores.seeds.flatMap((seed) =>
      (["photo", "object"] as const).flatMap((unit): ResultLine[] => {
        const found = scores.unit(arm, seed, unit);
        if (!found) return [];
        return [
          { kind: "classification", arm, seed, unit, ...found.classification },
          ...found.unknowns.map((line): ResultLine => ({ kind: "unknowns", arm, seed, unit, ...line })),
          ...found.trials.map((line): ResultLine => ({ kind: "trial", arm, seed, unit, ...line })),
        ];
      }),
    ),
  );
}

/**
 * The detector that the answer is about: the one with the best mean AUROC over all arms and seeds on the validation
 * unknowns, whose classes are not among the test's, so that nothing is selected on test data; without such unknowns, on
 * the images that stand in for them; without either, the first one named.
 */
export function chooseDetector(
  lines: readonly ResultLine[],
  detectors: readonly string[],
): { readonly detector: string; readonly reason: string } {
  const [first] = detectors;
  if (first === undefined) throw new RangeError("A study needs at least one detector.");
  for (const { part, words } of CHOSEN_BY) {
    const ranked = detectors
      .flatMap((detector) => {
        const values = lines.flatMap((line) => (isChoosing(line, part, detector) ? [line.auroc] : []));
        return values.length > 0 ? [{ detector, value: mean(values) }] : [];
      })
      .sort((a, b) => b.value - a.value);
    const [best, second] = ranked;
    if (!best) continue;
    const percent = (value: number) => (100 * value).toFixed(1);
    const next = second ? `, next ${second.detector} with ${percent(second.value)}` : "";
    return {
      detector: best.detector,
      reason: `The figures for unknowns are of ${best.detector}: it had the best mean AUROC over all arms and seeds ${words} (${percent(best.value)}${next}).`,
    };
  }
  return {
    detector: first,
    reason: `The figures for unknowns are of ${first}, the first detector named: the photos have too few near unknown classes to keep some for choosing (two are needed).`,
  };
}

/** What a detector is chosen by, in this order. */
const CHOSEN_BY = [
  { part: "validation", words: "on the validation unknowns, whose classes are not among the test's" },
  {
    part: "standIns",
    words:
      "on images that stand in for unknowns (near-OOD redraws, and known validation photos cut and mixed), because the photos have too few near unknown classes to keep some for choosing (two are needed)",
  },
] as const;

function isChoosing(
  line: ResultLine,
  part: (typeof CHOSEN_BY)[number]["part"],
  detector: string,
): line is UnknownsResult {
  return (
    line.kind === "unknowns" &&
    line.part === part &&
    line.unit === "photo" &&
    line.detector === detector &&
    line.unknownClass === null
  );
}

/** How differences are judged. */
export interface StatisticsSettings {
  /** Confidence of every interval, 0..1. */
  readonly confidence: number;
  /** Smallest difference that matters; 0.01 = one point. */
  readonly margin: number;
  /** Replicates of the bootstrap over test objects. */
  readonly bootstrap: number;
}

/** The questions with their paired differences, intervals and verdicts. */
export function comparisonsOf(
  scores: StudyScores,
  questions: readonly Question[],
  detector: string,
  { confidence, margin, bootstrap }: StatisticsSettings,
): Comparison[] {
  return compareArms({
    questions,
    seeds: scores.seeds,
    confidence,
    margin,
    figure: (outcome, arm, seed) => {
      const unit = scores.photo(arm, seed);
      if (outcome === "accuracy") return unit.classification.accuracy;
      const line = unit.unknowns.find(
        (item) =>
          item.detector === detector &&
          item.part === "test" &&
          item.role === outcome &&
          item.unknownClass === null,
      );
      return line?.auroc ?? Number.NaN;
    },
    bootstrap: (outcome, contrast) => {
      const random = new Random(`bootstrap ${outcome}`);
      const objects = testObjects(scores, outcome, contrast);
      const pairs = scores.seeds.map((seed) =>
        bootstrapPair(scores, seed, outcome, contrast, detector, objects),
      );
      const replicates = pairedBootstrap(pairs, {
        classOfObject: [...objects.values()],
        replicates: bootstrap,
        uniform: () => random.uniform(),
      });
      return percentileInterval(replicates, confidence);
    },
  });
}

/** The parts of the test that an outcome is about. */
function testParts(scores: StudyScores, arm: string, seed: number, outcome: OutcomeName): PartScores[] {
  const { test, nearTest, farTest } = scores.photo(arm, seed).parts;
  return outcome === "accuracy" ? [test] : [test, outcome === "near" ? nearTest : farTest];
}

/** Every physical object that is tested at any seed, with its class. */
function testObjects(
  scores: StudyScores,
  outcome: OutcomeName,
  { treatment }: Contrast,
): ReadonlyMap<string, string> {
  const arm = firstOf(treatment);
  const parts = scores.seeds.flatMap((seed) => testParts(scores, arm, seed, outcome));
  return new Map(
    parts.flatMap(({ objects, classNames }) =>
      objects.map((name, index) => [name, valueAt(classNames, index)] as const),
    ),
  );
}

function firstOf(arms: readonly string[]): string {
  const [first] = arms;
  if (!first) throw new RangeError("A contrast names at least one arm.");
  return first;
}

function bootstrapPair(
  scores: StudyScores,
  seed: number,
  outcome: OutcomeName,
  { treatment, control }: Contrast,
  detector: string,
  objects: ReadonlyMap<string, string>,
): BootstrapPair {
  const indexOf = new Map([...objects.keys()].map((name, index) => [name, index]));
  const items = testParts(scores, firstOf(treatment), seed, outcome).flatMap((part) => part.objects);
  const figureOf = (arm: string): WeightedStatistic => {
    const [test, unknown] = testParts(scores, arm, seed, outcome);
    if (!test) throw new RangeError("There is no test part.");
    if (!unknown) {
      return weightedAccuracy(isCorrect(test, scores.classes));
    }
    return weightedClassAuroc(
      [...scoresOf(test, detector), ...scoresOf(unknown, detector)],
      [...test.ids.map(() => "known"), ...unknown.classNames.map((name) => `unknown ${name}`)],
    );
  };
  const meanOf = (arms: readonly string[]): WeightedStatistic => {
    const figures = arms.map(figureOf);
    return (weights) => mean(figures.map((figure) => figure(weights)));
  };
  return {
    objectOfItem: items.map((name) => indexOf.get(name) as number),
    treatment: meanOf(treatment),
    control: meanOf(control),
  };
}

/** Whether each item of a known part was named rightly. */
export function isCorrect(part: PartScores, classes: readonly string[]): boolean[] {
  return part.answers.map((answer, index) => classes[answer] === part.classNames[index]);
}
