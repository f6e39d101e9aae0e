/** Diffusion: the model in its published layout, samplers, words learned from photos, redraws of photos. */

export { DiffusionError } from "./errors.ts";
export { checkModel, findModel, type ModelFolder } from "./model/model-folder.ts";
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
} from "./model/noise-schedule.ts";
export { type EncodePromptsOptions, encodePrompts, type WordVector } from "./model/prompts.ts";
export {
  type LoadStableDiffusionOptions,
  type SaveStableDiffusionOptions,
  StableDiffusion,
  type StableDiffusionParts,
} from "./model/stable-diffusion.ts";
export { ClipTokenizer } from "./model/tokenizer.ts";
export { type RedrawLine, readManifest, redrawLines } from "./redraw/manifest.ts";
export { type PlannedRedraw, planRedraws } from "./redraw/plan.ts";
export {
  type ChosenRecipe,
  compareRecipes,
  RECIPES,
  REDRAW_KINDS,
  type Recipe,
  type RecipeName,
  type RecipeSettings,
  RecipesSettings,
  type RedrawKind,
  recipeNames,
  recipesOf,
} from "./redraw/recipes/index.ts";
export { type RedrawOptions, redraw } from "./redraw/redraw.ts";
export { type DdimStep, ddimStep, ddimTimesteps } from "./samplers/ddim.ts";
export {
  defaultSampler,
  type ReadySampler,
  readySampler,
  SAMPLERS,
  type Sampler,
  type SamplerChoice,
  type SamplerName,
  SamplerSettings,
  type SamplerStep,
  samplerNames,
} from "./samplers/index.ts";
export { latentNoise } from "./samplers/latent-noise.ts";
export {
  type GenerationOptions,
  type ImageToImageOptions,
  imageToImage,
  type TextToImageOptions,
  textToImage,
} from "./samplers/pipelines.ts";
export { type ResolvedStrength, resolveStrength } from "./samplers/strength.ts";
export {
  type ClassPhotos,
  inversionLoss,
  type LearnWordsOptions,
  learnWords,
} from "./words/inversion.ts";
export type { InversionBatch } from "./words/inversion-samples.ts";
export { fillTemplate, PLAIN_TEMPLATE, TEMPLATES } from "./words/templates.ts";
export { checkWords, loadWords, saveWords, type Word, type Words, wordOf, wordToken } from "./words/words.ts";
