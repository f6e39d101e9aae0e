// Metrics of known against unknown, of calibration and of classification: plain arrays in, numbers out.
export { auprIn, auprOut } from "./aupr.ts";
export { auroc } from "./auroc.ts";
export { ece, nll } from "./calibration.ts";
export { accuracy, argmax, macroAccuracy, type Rows, softmax } from "./classification.ts";
export { fpr95IdPositive, fpr95OodPositive } from "./fpr95.ts";
export type { Scores } from "./scores.ts";
export { type OperatingPoint, operatingPoint, thresholdAtRecall } from "./threshold.ts";
