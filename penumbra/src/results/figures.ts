import { Random } from "@penumbra/torch/random";
import {
  type BootstrapPair,
  pairedBootstrap,
  type WeightedStatistic,
  weightedAccuracy,
  weightedClassAuroc,
} from "./bootstrap.ts";
import type { Contrast } from "./design.ts";
import type { Difference, OutcomeName, ResultLine, Unit, UnknownsResult } from "./outcome.ts";
import { type PartScores, type ScoreFile, scoresOf, type UnitScores, valueAt } from "./scored.ts";
import {
  jointUncertainty,
  mean,
  meanInterval,
  percentileInterval,
  standardDeviation,
  studentInterval,
  studentPValue,
} from "./statistics.ts";

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

  /** What the scores are of: photos, and objects where they have several views. */
  units(): Unit[] {
    return (["photo", "object"] as const).filter((unit) =>
      [...this.#files.values()].every(({ units }) => unit in units),
    );
  }

  photo(arm: string, seed: number): UnitScores {
    const scores = this.unit(arm, seed, "photo");
    if (!scores) throw new RangeError(`There are no scores of ${arm} at seed ${seed}.`);
    return scores;
  }
}

/** All lines of results.jsonl with a number of shots, in the order of arms and seeds. */
export function resultLines(
  scores: StudyScores,
  shots: number,
  isSeen: (arm: string, recipe: string) => boolean,
): ResultLine[] {
  return scores.arms.flatMap((arm) =>
    scores.seeds.flatMap((seed) =>
      (["photo", "object"] as const).flatMap((unit): ResultLine[] => {
        const found = scores.unit(arm, seed, unit);
        if (!found) return [];
        return [
          { kind: "classification", arm, seed, shots, unit, ...found.classification },
          ...found.unknowns.map(
            (line): ResultLine => ({ kind: "unknowns", arm, seed, shots, unit, ...line }),
          ),
          ...found.synthetic.map(
            (line): ResultLine => ({
              ...{ kind: "synthetic", arm, seed, shots, unit, isSeen: isSeen(arm, line.recipe) },
              ...line,
            }),
          ),
          ...found.trials.map((line): ResultLine => ({ kind: "trial", arm, seed, shots, unit, ...line })),
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
  detectors: readonly { readonly name: string; readonly title: string }[],
): { readonly detector: string; readonly reason: string } {
  const [first] = detectors;
  if (first === undefined) throw new RangeError("A study needs at least one detector.");
  for (const { part, words } of CHOSEN_BY) {
    const ranked = detectors
      .flatMap(({ name, title }) => {
        const values = lines.flatMap((line) => (isChoosing(line, part, name) ? [line.auroc] : []));
        return values.length > 0 ? [{ name, title, value: mean(values) }] : [];
      })
      .sort((a, b) => b.value - a.value);
    const [best, second] = ranked;
    if (!best) continue;
    const percent = (value: number) => (100 * value).toFixed(1);
    const next = second ? `, next ${second.title} with ${percent(second.value)}` : "";
    return {
      detector: best.name,
      reason: `The figures for unknowns are of ${best.title}: it had the best mean AUROC over all arms and seeds ${words} (${percent(best.value)}${next}).`,
    };
  }
  return {
    detector: first.name,
    reason: `The figures for unknowns are of ${first.title}, the first detector named: the photos have too few near unknown classes to keep some for choosing (two are needed).`,
  };
}

/** What a detector is chosen by, in this order. */
const CHOSEN_BY = [
  { part: "validation", words: "on the validation unknowns, whose classes are not among the test's" },
  {
    part: "standIns",
    words:
      "on images that stand in for unknowns (known validation photos cut and mixed, and near-OOD redraws where there are any), because the photos have too few near unknown classes to keep some for choosing (two are needed)",
  },
] as const;

/** What a study's detector was chosen by, where it is this one; null where there was nothing to choose by. */
export function detectorChosenBy(
  lines: readonly ResultLine[],
  detector: string,
): (typeof CHOSEN_BY)[number]["part"] | null {
  return CHOSEN_BY.find(({ part }) => lines.some((line) => isChoosing(line, part, detector)))?.part ?? null;
}

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

/**
 * Judges contrasts of arms by one unit: each seed's difference, its interval over seeds and test objects, and what
 * either kind of chance alone would say. A contrast with a figure that does not exist is null; one without a control is
 * the figure of the treatment itself.
 */
export function contrastJudge(
  scores: StudyScores,
  unit: Unit,
  detector: string,
  { confidence, bootstrap }: Pick<StatisticsSettings, "confidence" | "bootstrap">,
): (contrast: Contrast, outcome: OutcomeName) => Difference | null {
  const figures = new Map<string, WeightedStatistic>();
  const figureOf = (arm: string, seed: number, outcome: OutcomeName) => {
    const key = JSON.stringify([arm, seed, outcome]);
    const figure = figures.get(key) ?? armFigure(scores, { arm, seed, unit, outcome, detector });
    figures.set(key, figure);
    return figure;
  };
  const judge = (contrast: Contrast, outcome: OutcomeName): Difference | null => {
    const random = new Random(`bootstrap ${outcome}`);
    const objects = testObjects(scores, unit, outcome, contrast);
    const indexOf = new Map([...objects.keys()].map((name, index) => [name, index]));
    const pairs = scores.seeds.map((seed): BootstrapPair => {
      const parts = testParts(scores, firstOf(contrast.treatment), seed, unit, outcome);
      const side = (arms: readonly string[]): WeightedStatistic => {
        const own = arms.map((arm) => figureOf(arm, seed, outcome));
        return (weights) => (own.length === 0 ? 0 : mean(own.map((figure) => figure(weights))));
      };
      return {
        objectOfItem: parts.flatMap((part) => part.objects.map((name) => indexOf.get(name) as number)),
        treatment: side(contrast.treatment),
        control: side(contrast.control),
      };
    });
    const scale = contrast.scale ?? 1;
    const perSeed = pairs.map(({ objectOfItem, treatment, control }) => {
      const once = new Float64Array(objectOfItem.length).fill(1);
      return scale * (treatment(once) - control(once));
    });
    if (perSeed.some(Number.isNaN)) return null;
    const replicates = pairedBootstrap(pairs, {
      classOfObject: [...objects.values()],
      replicates: bootstrap,
      uniform: () => random.uniform(),
    }).map((value) => scale * value);
    const uncertainty = jointUncertainty(perSeed, replicates, objects.size);
    const center = mean(perSeed);
    return {
      perSeed,
      mean: center,
      interval: uncertainty && studentInterval(center, uncertainty, confidence),
      overSeeds: meanInterval(perSeed, confidence),
      overObjects: percentileInterval(replicates, confidence),
      pValue: uncertainty && studentPValue(center, uncertainty),
      objectVariance: standardDeviation(replicates.filter((value) => !Number.isNaN(value))) ** 2,
      objects: objects.size,
    };
  };
  // Questions and hypotheses ask about the same arms: each bootstrap is drawn once.
  const judged = new Map<string, Difference | null>();
  return (contrast, outcome) => {
    const { treatment, control, scale } = contrast;
    const key = JSON.stringify([treatment, control, scale, outcome]);
    const known = judged.get(key);
    if (known !== undefined) return known;
    const difference = judge(contrast, outcome);
    judged.set(key, difference);
    return difference;
  };
}

/** The parts of the test that an outcome is about. */
function testParts(
  scores: StudyScores,
  arm: string,
  seed: number,
  unit: Unit,
  outcome: OutcomeName,
): PartScores[] {
  const found = scores.unit(arm, seed, unit);
  if (!found) throw new RangeError(`There are no scores of ${arm} at seed ${seed} by ${unit}.`);
  const { test, nearTest, farTest } = found.parts;
  return outcome === "accuracy" ? [test] : [test, outcome === "near" ? nearTest : farTest];
}

/** Every physical object that is tested at any seed, with its class. */
function testObjects(
  scores: StudyScores,
  unit: Unit,
  outcome: OutcomeName,
  { treatment }: Contrast,
): ReadonlyMap<string, string> {
  const arm = firstOf(treatment);
  const parts = scores.seeds.flatMap((seed) => testParts(scores, arm, seed, unit, outcome));
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

interface ArmFigure {
  readonly arm: string;
  readonly seed: number;
  readonly unit: Unit;
  readonly outcome: OutcomeName;
  readonly detector: string;
}

/** An arm's figure at a seed: accuracy, or the mean over unknown classes of the AUROC. */
function armFigure(
  scores: StudyScores,
  { arm, seed, unit, outcome, detector }: ArmFigure,
): WeightedStatistic {
  const [test, unknown] = testParts(scores, arm, seed, unit, outcome);
  if (!test) throw new RangeError("There is no test part.");
  if (!unknown) return weightedAccuracy(isCorrect(test, scores.classes));
  return weightedClassAuroc(
    [...scoresOf(test, detector), ...scoresOf(unknown, detector)],
    [...test.ids.map(() => "known"), ...unknown.classNames.map((name) => `unknown ${name}`)],
  );
}

/** Of each arm, the mean over seeds and classes of its accuracy on the known validation photos. */
export function validationAccuraciesOf(scores: StudyScores): { arm: string; accuracy: number }[] {
  return scores.arms.map((arm) => {
    const perSeed = scores.seeds.map((seed) => {
      const { validation } = scores.photo(arm, seed).parts;
      const isRight = isCorrect(validation, scores.classes);
      const names = [...new Set(validation.classNames)];
      return mean(
        names.map((name) =>
          mean(
            isRight.flatMap((right, item) => (validation.classNames[item] === name ? [Number(right)] : [])),
          ),
        ),
      );
    });
    return { arm, accuracy: mean(perSeed) };
  });
}

/** Whether each item of a known part was named rightly. */
export function isCorrect(part: PartScores, classes: readonly string[]): boolean[] {
  return part.answers.map((answer, index) => classes[answer] === part.classNames[index]);
}
