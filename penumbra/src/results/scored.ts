import type { ClassificationResult, SyntheticResult, TrialResult, Unit, UnknownsResult } from "./outcome.ts";

/** What the score stage writes for an arm and a seed: plain data, from which everything in the report follows. */
export interface ScoreFile {
  readonly units: Readonly<Partial<Record<Unit, UnitScores>>>;
  /** What was chosen on validation and fitted on known data: temperature, shrinkage, number of neighbours. */
  readonly fitted: Readonly<Record<string, number>>;
}

/** What the lines of a score file do not say: that is where it lies. */
type Whose = "kind" | "arm" | "seed" | "shots" | "unit";

export interface UnitScores {
  readonly parts: Readonly<Record<ScoredPart, PartScores>>;
  readonly classification: Omit<ClassificationResult, Whose>;
  readonly unknowns: readonly Omit<UnknownsResult, Whose>[];
  readonly synthetic: readonly Omit<SyntheticResult, Whose | "isSeen">[];
  /** What was tried for each detector that has something to choose. */
  readonly trials: readonly Omit<TrialResult, Whose>[];
}

/**
 * The parts of a split that are scored, the images that stand in for unknowns where there are none to choose by (with
 * the kind of stand-in as their class), and images that no arm learns from (with their recipe).
 */
export const scoredParts = [
  "validation",
  "test",
  "nearValidation",
  "standIns",
  "nearTest",
  "farTest",
  "synthetic",
] as const;
export type ScoredPart = (typeof scoredParts)[number];

/** Parallel lists, an entry per photo or per object. */
export interface PartScores {
  /** Photo ids, or object names. */
  readonly ids: readonly string[];
  readonly objects: readonly string[];
  readonly classNames: readonly string[];
  /** Index of the class with the highest probability. */
  readonly answers: readonly number[];
  readonly probabilities: readonly number[];
  /** By detector, HIGHER = more known. Of objects those by the mean feature of their views, where the detector reads it. */
  readonly scores: Readonly<Record<string, readonly number[]>>;
}

/** The scores of a detector; a study's own file always has them. */
export function scoresOf(part: PartScores, detector: string): readonly number[] {
  const scores = part.scores[detector];
  if (!scores)
    throw new Error(
      `The score file has no scores of ${detector}. Remove the run's score artifacts and run again.`,
    );
  return scores;
}

/** An entry of a list that has one for every item of a part. @throws RangeError where it has not */
export function valueAt<T>(list: readonly T[], index: number): T {
  if (index in list) return list[index] as T;
  throw new RangeError(
    `The score file has no entry ${index} of ${list.length}. Remove the run's score artifacts and run again.`,
  );
}

/** How the scores of the views of one object become one: their mean, or that of the view that looks least known. */
export const VIEW_RULES = { mean: meanOf, worst: leastOf } as const;
export type ViewRule = keyof typeof VIEW_RULES;

/** A score for each object, in the order of its first view. */
export function fuseViewScores(
  scores: readonly number[],
  objects: readonly string[],
  rule: ViewRule,
): number[] {
  const views = new Map<string, number[]>();
  for (const [index, score] of scores.entries()) {
    const object = objects[index];
    if (object === undefined) throw new RangeError(`Score ${index} has no object. Pass one object a score.`);
    const own = views.get(object);
    if (own) own.push(score);
    else views.set(object, [score]);
  }
  return [...views.values()].map(VIEW_RULES[rule]);
}

function meanOf(views: readonly number[]): number {
  return views.reduce((sum, score) => sum + score, 0) / views.length;
}

function leastOf(views: readonly number[]): number {
  return views.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY);
}
