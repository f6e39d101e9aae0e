// Training: optimizers on libtorch's fused operators, learning-rate schedules, clipping and weight averages.
export { Adam, type AdamSettings, AdamW } from "./adam.ts";
export { type ClipOptions, clipGradNorm_, clipGradValue_ } from "./clip.ts";
export { Ema, type EmaOptions } from "./ema.ts";
export { weightDecayGroups } from "./groups.ts";
export { LARS, type LarsSettings } from "./lars.ts";
export { LBFGS, type LbfgsSettings } from "./lbfgs.ts";
export { type Evaluation, type MinimizeOptions, type Minimum, minimize } from "./minimize.ts";
export { Optimizer, type OptimizerState, type ParameterGroup, type Parameters } from "./optimizer.ts";
export {
  constantSchedule,
  cosineSchedule,
  type Schedule,
  stepSchedule,
  type WarmupOptions,
} from "./schedule.ts";
export { SGD, type SgdSettings } from "./sgd.ts";
