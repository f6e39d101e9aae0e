/** Samplers: the algorithms that denoise, and images from text or from images by any of them. */

export { type Predict, type WalkOptions, walkDown } from "./denoise.ts";
export { latentNoise } from "./latent-noise.ts";
export {
  type GenerationOptions,
  type ImageToImageOptions,
  imageToImage,
  roundTrip,
  type TextToImageOptions,
  textToImage,
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
