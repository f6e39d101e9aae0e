import type { Outcome } from "./outcome.ts";
import { mean } from "./statistics.ts";

/** An arm to train, and why it, in a sentence. */
export interface Recommendation {
  readonly arm: string;
  readonly reason: string;
}

/**
 * The arm that a finished study speaks for: the best at telling VALIDATION unknowns, by the detector of its answer,
 * mean over seeds; where no unknowns were there for choices, the most accurate on the validation photos, which the reason
 * says: the test chooses nothing. The first of equal ones; null where an arm has no figure.
 */
export function recommendArm(outcome: Outcome): Recommendation | null {
  const { arms, detector, results, seeds, validationAccuracies = [] } = outcome;
  const byValidation = arms.map(({ name }) =>
    results.flatMap((line) =>
      line.kind === "unknowns" &&
      line.arm === name &&
      line.part === "validation" &&
      line.detector === detector &&
      line.unit === outcome.unit &&
      line.unknownClass === null
        ? [line.auroc]
        : [],
    ),
  );
  const isJudged = byValidation.every((values) => values.length > 0);
  const values = isJudged
    ? byValidation
    : arms.map(({ name }) =>
        validationAccuracies.flatMap(({ arm, accuracy }) => (arm === name ? [accuracy] : [])),
      );
  if (values.some((numbers) => numbers.length === 0)) return null;
  const means = values.map((numbers) => mean(numbers));
  const best = means.indexOf(Math.max(...means));
  const chosen = arms[best];
  if (!chosen) return null;
  const { name: arm, title } = chosen;
  const figure = (100 * means[best]!).toFixed(1);
  const over = seeds.length === 1 ? "at its only seed" : `on average over ${seeds.length} seeds`;
  return {
    arm,
    reason: isJudged
      ? `Of the arms of the study "${outcome.name}", ${title} was the best at telling its validation unknowns from the known (AUROC ${figure}, ${over}).`
      : `${title} was the most accurate in the study "${outcome.name}" (balanced accuracy ${figure} on its validation photos, ${over}); it had no unknowns to choose by.`,
  };
}
