// Metrics of known against unknown, of calibration and of classification: plain arrays in, numbers out.
export { auprIn, auprOut } from "./aupr.ts";
export { auroc, type RocPoint, rocCurve } from "./auroc.ts";
export { adaptiveEce, brier, classwiseEce, ece, nll } from "./calibration.ts";
export {
  accuracy,
  argmax,
  type ClassFigures,
  classFigures,
  macroAccuracy,
  macroF1,
  type Rows,
  softmax,
  topAccuracy,
} from "./classification.ts";
export { fpr95IdPositive, fpr95OodPositive } from "./fpr95.ts";
export { ccrAtFpr, oscr } from "./open-set.ts";
export type { Scores } from "./scores.ts";
export { aurc, type RiskPoint, riskCoverage } from "./selective.ts";
export { thresholdAtRecall } from "./threshold.ts";
