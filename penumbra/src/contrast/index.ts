// Contrastive classifier: losses with negatives-only columns, training, frozen features and the linear probe on them.

export { ContrastError } from "./errors.ts";
export { crossEntropy } from "./losses/cross-entropy.ts";
export {
  type GensclMemory,
  type GensclOptions,
  genSupCon,
  type RedrawWord,
  redrawLabels,
} from "./losses/genscl.ts";
export { type HsclOptions, hardSupCon } from "./losses/hscl.ts";
export { NEGATIVE_USES, type NegativeUse } from "./losses/negative-uses.ts";
export { ntXent } from "./losses/nt-xent.ts";
export {
  defineObjective,
  type HeadSize,
  type LossSettings,
  type MixKind,
  type MixSettings,
  type NegativePlaces,
  type Objective,
  type Remembered,
  readLossSettings,
  type StepOutputs,
  type StepSize,
  usesOf,
} from "./losses/objective.ts";
export { type ObjectiveName, type ObjectiveTable, objectiveOf, objectives } from "./losses/objectives.ts";
export {
  type EnergyMarginOptions,
  energyMargin,
  energyMarginPlateau,
  outlierExposure,
} from "./losses/outlier-losses.ts";
export { type Collapse, detectCollapse, type PlateauSettings, supConPlateau } from "./losses/plateau.ts";
export { multiPositive } from "./losses/stablerep.ts";
export {
  otherClassMask,
  type SupConOptions,
  sourceClassMask,
  supCon,
  supConPerAnchor,
} from "./losses/supcon.ts";
export { normalizeRows, requireUnitRows } from "./losses/unit-rows.ts";
export { chooseProbe, type LabelledFeatures, type ProbeTrial } from "./probe/choose-probe.ts";
export { type ExtractOptions, extractFeatures, extractStages } from "./probe/extract-features.ts";
export { type FusedViews, fuseViews } from "./probe/fuse-views.ts";
export { fitLinearProbe, type LinearProbe, type ProbeOptions, probeOf } from "./probe/linear-probe.ts";
export { type PhotoFeaturesOptions, photoFeatures } from "./probe/photo-features.ts";
export { type PrincipalPlane, principalPlane, project } from "./probe/principal-plane.ts";
export { UMAP_NEIGHBOURS, type UmapOptions, umap } from "./probe/umap.ts";
export { Encoder, type EncoderConfig, NETWORKS, type ResolvedEncoderConfig } from "./training/encoder.ts";
export { loadEncoder, saveEncoder } from "./training/encoder-files.ts";
export {
  batchNormOf,
  type FineTuning,
  frozenEncoder,
  TRAINED_LAYERS,
  type TrainedLayers,
} from "./training/fine-tuning.ts";
export { type Evaluation, KEPT_WEIGHTS, type KeptWeights } from "./training/kept-weights.ts";
export { trainEncoder } from "./training/train-encoder.ts";
export { FAITHFUL_PROBABILITY, type OptimizerSettings, type TrainOptions } from "./training/train-options.ts";
export type { TrainedEncoder } from "./training/trained-encoder.ts";
