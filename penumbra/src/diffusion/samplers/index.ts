/** Samplers: the algorithms that denoise, and images from text or from images by any of them. */

export { decodeLatents, encodeImages } from "./autoencode.ts";
export type { Drawing, Steer } from "./drawing.ts";
export { latentNoise } from "./latent-noise.ts";
export { denoiserSlice, gradientSlice, halving, isOutOfMemory } from "./memory.ts";
export {
  beginImageToImage,
  beginTextToImage,
  DENOISING,
  type DenoisingOptions,
  type FolderDrawing,
  type GenerationOptions,
  type ImageToImageOptions,
  imageToImage,
  roundTrip,
  type TextToImageOptions,
  textToImage,
  withKept,
} from "./pipelines.ts";
export type { Sampler, SamplerStep, SamplerStepResult, Walk } from "./sampler.ts";
export {
  askFor,
  chosenSampler,
  defaultSampler,
  type ReadySampler,
  readySampler,
  SAMPLERS,
  type SamplerChoice,
  type SamplerName,
  SamplerSettings,
  samplerNames,
} from "./samplers.ts";
export { type ResolvedStrength, resolveStrength, smallestStrength } from "./strength.ts";
export { type TakeStepsOptions, takeSteps } from "./take-steps.ts";
export { type Predict, Walking, type WalkOptions, walkDown } from "./walk-down.ts";
