// Training: optimizers on libtorch's fused and foreach operators, learning-rate schedules, clipping, scaling and weight averages.
export { Adafactor, type AdafactorSettings } from "./adafactor.ts";
export { Adagrad, type AdagradSettings } from "./adagrad.ts";
export { Adam, type AdamSettings, AdamW } from "./adam.ts";
export { NAdam, type NadamSettings, RAdam, type RadamSettings } from "./adam-variants.ts";
export { type ClipOptions, clipGradNorm_, clipGradValue_ } from "./clip.ts";
export {
  chainedSchedule,
  cosineRestartsSchedule,
  type OneCycleOptions,
  oneCycleSchedule,
  sequentialSchedule,
} from "./cycles.ts";
export { Ema, type EmaOptions } from "./ema.ts";
export { GradScaler, type GradScalerOptions, type GradScalerState } from "./grad-scaler.ts";
export { weightDecayGroups } from "./groups.ts";
export { LARS, type LarsSettings } from "./lars.ts";
export { LBFGS, type LbfgsSettings } from "./lbfgs.ts";
export { type Evaluation, type MinimizeOptions, type Minimum, minimize } from "./minimize.ts";
export { Muon, type MuonSettings } from "./muon.ts";
export { Optimizer, type OptimizerState, type ParameterGroup, type Parameters } from "./optimizer.ts";
export { type PlateauOptions, type PlateauState, ReduceLROnPlateau } from "./plateau.ts";
export { RMSprop, type RmspropSettings } from "./rmsprop.ts";
export {
  constantSchedule,
  cosineSchedule,
  exponentialSchedule,
  linearSchedule,
  polynomialSchedule,
  type Schedule,
  stepSchedule,
  type WarmupOptions,
} from "./schedule.ts";
export { SGD, type SgdSettings } from "./sgd.ts";
