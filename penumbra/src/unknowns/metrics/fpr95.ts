import { groupByScore, type Scores } from "./scores.ts";

const RECALL = 0.95;

/**
 * FPR95, OOD positive: the share of KNOWN images that are flagged at the first threshold that catches at least 95 % of
 * the unknown ones. The convention of OpenOOD v1.5 (`metrics.py`) and pytorch-ood.
 *
 * Not the same number as {@link fpr95IdPositive}; never write a bare "FPR95".
 *
 * @param known scores of known images, higher = more surely known
 * @param unknown scores of unknown images
 * @returns 0 (best) … 1
 * @throws RangeError when a set is empty or holds a NaN
 */
export function fpr95OodPositive(known: Scores, unknown: Scores): number {
  let caught = 0;
  let flagged = 0;
  for (const group of groupByScore(known, unknown)) {
    caught += group.unknown;
    flagged += group.known;
    if (caught >= RECALL * unknown.length) break;
  }
  return flagged / known.length;
}

/**
 * FPR95, ID positive: the share of UNKNOWN images that pass as known at the first threshold that accepts at least 95 %
 * of the known ones. The convention of the ODIN paper (Liang et al. 2018) and OpenOOD v1.0.
 *
 * Not the same number as {@link fpr95OodPositive}; never write a bare "FPR95".
 *
 * @param known scores of known images, higher = more surely known
 * @param unknown scores of unknown images
 * @returns 0 (best) … 1
 * @throws RangeError when a set is empty or holds a NaN
 */
export function fpr95IdPositive(known: Scores, unknown: Scores): number {
  let accepted = 0;
  let passed = 0;
  for (const group of groupByScore(known, unknown).reverse()) {
    accepted += group.known;
    passed += group.unknown;
    if (accepted >= RECALL * known.length) break;
  }
  return passed / unknown.length;
}
