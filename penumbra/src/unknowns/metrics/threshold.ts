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
