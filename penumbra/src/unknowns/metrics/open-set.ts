import { groupByScore, requireScores, type Scores } from "./scores.ts";

/**
 * Correct classification rate at a false positive rate: the share of KNOWN images that are named right and score above
 * the threshold that lets through at most `fpr` of the unknown ones (Dhamija et al. 2018; OpenOOD: the threshold is the
 * ceil(fpr n)-th largest unknown score, and a known image must score strictly above it).
 *
 * @param known scores of known images, higher = more surely known
 * @param isRight whether each known image is named right
 * @param unknown scores of unknown images
 * @param fpr share of unknown images that may pass, above 0 and at most 1
 * @throws RangeError for an empty set, a NaN, lists that do not pair up, or an fpr out of its range
 */
export function ccrAtFpr(known: Scores, isRight: ArrayLike<boolean>, unknown: Scores, fpr: number): number {
  requirePaired(known, isRight);
  requireScores(unknown, "unknown");
  if (!(fpr > 0 && fpr <= 1)) {
    throw new RangeError(
      `The false positive rate is ${fpr}; it must be above 0 and at most 1. Pass a share such as 0.1.`,
    );
  }
  const descending = Float64Array.from(unknown).sort().reverse();
  const threshold = descending[Math.ceil(fpr * unknown.length - 1e-9) - 1] as number; // 0.07 * 100 is 7.000000000000001
  let named = 0;
  for (let i = 0; i < known.length; i++) if (isRight[i] && (known[i] as number) > threshold) named++;
  return named / known.length;
}

/**
 * Area under the curve of the correct classification rate over the false positive rate (OSCR; Dhamija et al. 2018): the
 * probability that a known image is named right and scores higher than an unknown one, ties counting half. The AUROC
 * where all are named right, and never above the accuracy.
 *
 * @param known scores of known images, higher = more surely known
 * @param isRight whether each known image is named right
 * @param unknown scores of unknown images
 * @throws RangeError for an empty set, a NaN, or lists that do not pair up
 */
export function oscr(known: Scores, isRight: ArrayLike<boolean>, unknown: Scores): number {
  requirePaired(known, isRight);
  const right = Array.from(known).filter((_, i) => isRight[i]);
  if (right.length === 0) return 0;
  let unknownBelow = 0;
  let wins = 0;
  for (const group of groupByScore(right, unknown)) {
    wins += group.known * (unknownBelow + group.unknown / 2);
    unknownBelow += group.unknown;
  }
  return wins / (known.length * unknown.length);
}

function requirePaired(known: Scores, isRight: ArrayLike<boolean>): void {
  requireScores(known, "known");
  if (known.length === isRight.length) return;
  throw new RangeError(
    `There are ${known.length} scores of known images, but of ${isRight.length} it is told whether they are right. Pass one an image.`,
  );
}
