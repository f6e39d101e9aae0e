// Diffusion: noise schedules and walks, text and images through Stable Diffusion, words learned from photos, redraws.

export { type Corpus, readCorpus } from "./corpus.ts";
export { type DdimStep, ddimStep, ddimTimesteps } from "./ddim.ts";
export type { PrecisionSetting } from "./denoise.ts";
export { DiffusionError } from "./errors.ts";
export {
  type ClassPhotos,
  inversionLoss,
  type LearnWordsOptions,
  learnWords,
} from "./inversion.ts";
export type { InversionBatch } from "./inversion-samples.ts";
export { latentNoise } from "./latent-noise.ts";
export {
  addNoise,
  alphasCumprod,
  parseSchedulerConfig,
  type SchedulerConfig,
  type SchedulerConfigInput,
  SchedulerConfigSchema,
  type Timesteps,
  trainingTarget,
  velocity,
} from "./noise-schedule.ts";
export {
  type GenerationOptions,
  type ImageToImageOptions,
  imageToImage,
  type TextToImageOptions,
  textToImage,
} from "./pipelines.ts";
export { type PretrainOptions, pretrain } from "./pretrain.ts";
export { ARCHITECTURES, PretrainSettings } from "./pretrain-config.ts";
export { type EncodePromptsOptions, encodePrompts, type WordVector } from "./prompts.ts";
export { type PlannedRedraw, planRedraws, type Recipe } from "./recipes.ts";
export { type RedrawOptions, redraw } from "./redraw.ts";
export { type RedrawLine, readManifest } from "./redraw-manifest.ts";
export {
  type LoadStableDiffusionOptions,
  type SaveStableDiffusionOptions,
  StableDiffusion,
  type StableDiffusionParts,
} from "./stable-diffusion.ts";
export { type ResolvedStrength, resolveStrength } from "./strength.ts";
export { fillTemplate, PLAIN_TEMPLATE, TEMPLATES } from "./templates.ts";
export { ClipTokenizer } from "./tokenizer.ts";
export { checkWords, loadWords, saveWords, type Word, type Words, wordOf, wordToken } from "./words.ts";
