import { groupByScore, type Scores } from "./scores.ts";

/**
 * Area under the precision-recall curve with KNOWN images as positives (OpenOOD's AUPR-IN).
 *
 * By trapezoid over the curve from (recall 0, precision 1) through every distinct score, as OpenOOD v1.5 and
 * pytorch-ood compute it; average precision is another number. Its base line is the share of known images.
 *
 * @param known scores of known images, higher = more surely known
 * @param unknown scores of unknown images
 * @throws RangeError when a set is empty or holds a NaN
 */
export function auprIn(known: Scores, unknown: Scores): number {
  const groups = groupByScore(known, unknown).reverse(); // most surely known first
  return trapezoid(groups.map((group) => ({ positive: group.known, negative: group.unknown })));
}

/**
 * Area under the precision-recall curve with UNKNOWN images as positives (OpenOOD's AUPR-OUT).
 *
 * By trapezoid from (recall 0, precision 1), as {@link auprIn}. Its base line is the share of unknown images.
 *
 * @param known scores of known images, higher = more surely known
 * @param unknown scores of unknown images
 * @throws RangeError when a set is empty or holds a NaN
 */
export function auprOut(known: Scores, unknown: Scores): number {
  const groups = groupByScore(known, unknown); // least known first
  return trapezoid(groups.map((group) => ({ positive: group.unknown, negative: group.known })));
}

function trapezoid(groups: readonly { positive: number; negative: number }[]): number {
  const positives = groups.reduce((sum, group) => sum + group.positive, 0);
  let truePositives = 0;
  let falsePositives = 0;
  let recall = 0;
  let precision = 1;
  let area = 0;
  for (const group of groups) {
    truePositives += group.positive;
    falsePositives += group.negative;
    const nextRecall = truePositives / positives;
    const nextPrecision = truePositives / (truePositives + falsePositives);
    area += ((nextRecall - recall) * (nextPrecision + precision)) / 2;
    recall = nextRecall;
    precision = nextPrecision;
  }
  return area;
}
