import type { ClassificationResult, Unit, UnknownsResult } from "./outcome.ts";

/** What the score stage writes for an arm and a seed: plain data, from which everything in the report follows. */
export interface ScoreFile {
  readonly units: Readonly<Partial<Record<Unit, UnitScores>>>;
  /** What was chosen on validation and fitted on known data: temperature, shrinkage, number of neighbours. */
  readonly fitted: Readonly<Record<string, number>>;
}

export interface UnitScores {
  readonly parts: Readonly<Record<ScoredPart, PartScores>>;
  readonly classification: Omit<ClassificationResult, "arm" | "seed" | "unit" | "kind">;
  readonly unknowns: readonly Omit<UnknownsResult, "arm" | "seed" | "unit" | "kind">[];
}

export const scoredParts = ["validation", "test", "nearValidation", "nearTest", "farTest"] as const;
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
  /** HIGHER = more known. */
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
