/** The model: Stable Diffusion in its published layout, prompts, and the noise schedule that it was trained with. */

export { DiffusionError } from "./errors.ts";
export { checkModel, type FindModelOptions, type FoundModel, findModel } from "./find-model.ts";
export { type Lora, mergeLora } from "./lora.ts";
export {
  addLevels,
  addNoise,
  alphasCumprod,
  parseSchedulerConfig,
  readSchedulerConfig,
  type SchedulerConfig,
  type Timesteps,
  trainingTarget,
  velocity,
} from "./noise-schedule.ts";
export {
  type EncodePromptsOptions,
  encodePrompts,
  expandWords,
  MOST_VECTORS,
  vectorsOf,
  type WordVector,
  wordTokens,
} from "./prompts.ts";
export type { Prediction } from "./single-file.ts";
export {
  type LoadStableDiffusionOptions,
  type SaveStableDiffusionOptions,
  StableDiffusion,
  type StableDiffusionParts,
} from "./stable-diffusion.ts";
export { ClipTokenizer } from "./tokenizer.ts";
