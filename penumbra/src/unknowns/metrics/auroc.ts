import { groupByScore, type Scores } from "./scores.ts";

/**
 * Area under the ROC curve: the probability that a known image scores higher than an unknown one, ties counting half.
 *
 * AUROC = P(k > u) + P(k = u) / 2, the Mann-Whitney statistic with midranks; it is the same whichever side is called
 * positive. 0.5 = the score tells nothing, 1 = it separates the two perfectly.
 *
 * @param known scores of known images, higher = more surely known
 * @param unknown scores of unknown images
 * @throws RangeError when a set is empty or holds a NaN
 * @example auroc([0.9, 0.8], [0.1, 0.8]) // 0.875
 */
export function auroc(known: Scores, unknown: Scores): number {
  let unknownBelow = 0;
  let wins = 0;
  for (const group of groupByScore(known, unknown)) {
    wins += group.known * (unknownBelow + group.unknown / 2);
    unknownBelow += group.unknown;
  }
  return wins / (known.length * unknown.length);
}

/** A threshold as the shares of both kinds of images that score at or above it. */
export interface RocPoint {
  /** Share of unknown images that pass as known: the false positive rate with the known as positives. */
  readonly unknownPassed: number;
  /** Share of known images that are kept: the true positive rate. */
  readonly knownKept: number;
}

/**
 * The ROC curve: a point for every distinct score, from a threshold above all (0, 0) to one below all (1, 1). The area
 * under it, by trapezoid, is {@link auroc}.
 *
 * @param known scores of known images, higher = more surely known
 * @param unknown scores of unknown images
 * @throws RangeError when a set is empty or holds a NaN
 */
export function rocCurve(known: Scores, unknown: Scores): RocPoint[] {
  const points: RocPoint[] = [{ unknownPassed: 0, knownKept: 0 }];
  let [passed, kept] = [0, 0];
  for (const group of groupByScore(known, unknown).reverse()) {
    passed += group.unknown;
    kept += group.known;
    points.push({ unknownPassed: passed / unknown.length, knownKept: kept / known.length });
  }
  return points;
}
