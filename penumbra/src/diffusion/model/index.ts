/** The model: Stable Diffusion in its published layout, prompts, and the noise schedule that it was trained with. */

export { DiffusionError } from "./errors.ts";
export { checkModel, findModel, type ModelFolder } from "./model-folder.ts";
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
export { type EncodePromptsOptions, encodePrompts, type WordVector } from "./prompts.ts";
export {
  type LoadStableDiffusionOptions,
  type SaveStableDiffusionOptions,
  StableDiffusion,
  type StableDiffusionParts,
} from "./stable-diffusion.ts";
export { ClipTokenizer } from "./tokenizer.ts";
