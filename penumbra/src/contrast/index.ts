// Contrastive classifier: losses with negatives-only columns, training, frozen features and the linear probe on them.
export { chooseProbe, type LabelledFeatures, type ProbeTrial } from "./choose-probe.ts";
export { crossEntropy } from "./cross-entropy.ts";
export { Encoder, type EncoderConfig } from "./encoder.ts";
export { loadEncoder, saveEncoder } from "./encoder-files.ts";
export { ContrastError } from "./errors.ts";
export { type ExtractOptions, extractFeatures } from "./extract-features.ts";
export { type FusedViews, fuseViews } from "./fuse-views.ts";
export { type Evaluation, type MinimiseOptions, type Minimum, minimise } from "./lbfgs.ts";
export { fitLinearProbe, type LinearProbe, type ProbeOptions, probeOf } from "./linear-probe.ts";
export {
  type LossSettings,
  type Objective,
  type ObjectiveName,
  objectives,
  type StepOutputs,
} from "./objectives.ts";
export { type Collapse, detectCollapse, type PlateauSettings, supConPlateau } from "./plateau.ts";
export { type SupConOptions, sourceClassMask, supCon, supConPerAnchor } from "./supcon.ts";
export { type TrainedEncoder, trainEncoder } from "./train-encoder.ts";
export type { OptimizerSettings, TrainOptions } from "./train-options.ts";
export { normalizeRows, requireUnitRows } from "./unit-rows.ts";
