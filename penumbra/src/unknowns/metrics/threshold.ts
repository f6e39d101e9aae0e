import { requireScores, type Scores } from "./scores.ts";

/**
 * The threshold for use: the highest score t such that at least `recall` of the known VALIDATION images have a score
 * of t or more. Choose it on validation images only, then an image is called known when its score >= t.
 *
 * @param known scores of known validation images, higher = more surely known
 * @param recall share of known images to accept, in (0, 1]; default 0.95
 * @throws RangeError for an empty set, a NaN, or a recall outside (0, 1]
 */
export function thresholdAtRecall(known: Scores, recall = 0.95): number {
  requireScores(known, "known validation");
  if (!(recall > 0 && recall <= 1)) {
    throw new RangeError(
      `The recall is ${recall}; it must be above 0 and at most 1. Pass the share of known images to accept, such as 0.95.`,
    );
  }
  const descending = Float64Array.from(known).sort().reverse();
  return descending[Math.ceil(recall * known.length - 1e-9) - 1] as number; // 0.95 * 20 is 19, not 19.000000000000004
}

/** What a threshold does to a test set. */
export interface OperatingPoint {
  readonly threshold: number;
  /** Share of known images that are accepted; 1 - this is the rate of false alarms. */
  readonly knownAccepted: number;
  /** Share of unknown images that are called unknown. */
  readonly unknownRejected: number;
}

/**
 * Applies a threshold that was chosen on validation to other images.
 *
 * @throws RangeError when a set is empty or holds a NaN
 */
export function operatingPoint(known: Scores, unknown: Scores, threshold: number): OperatingPoint {
  requireScores(known, "known");
  requireScores(unknown, "unknown");
  return {
    threshold,
    knownAccepted: Array.from(known).filter((score) => score >= threshold).length / known.length,
    unknownRejected: Array.from(unknown).filter((score) => score < threshold).length / unknown.length,
  };
}
