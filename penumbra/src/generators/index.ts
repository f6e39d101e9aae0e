/** Generators: networks that draw, trained on captioned images, each kind an entry of one table. */

export type { DrawingItem, DrawingWay, LoadedGenerator, PhotoArtist } from "./draw/artist.ts";
export {
  type DrawingRequest,
  type DrawnLine,
  type DrawOptions,
  drawFromPhotos,
  recipeOf,
  waysOf,
} from "./draw/draw.ts";
export type { Drawer } from "./draw/drawer.ts";
export { type Generated, type GenerateOptions, generate, measureImages } from "./draw/generate.ts";
export { photoCorpus } from "./draw/photo-corpus.ts";
export {
  type ImageFeatures,
  PIXEL_FEATURES,
  pixelFeatures,
  type QualityFigures,
  qualityOf,
} from "./draw/quality.ts";
export { GeneratorError } from "./errors.ts";
export type { ImageGenerator, TrainingOptions } from "./generator.ts";
export { GENERATORS, type GeneratorName, generatorNamed, generatorNames } from "./generators.ts";
export { ARCHITECTURES } from "./latent-diffusion/architectures.ts";
export {
  type EraseOptions,
  EraseSettings,
  eraseConcepts,
  erasureTarget,
} from "./latent-diffusion/erase.ts";
export { PretrainSettings } from "./latent-diffusion/settings.ts";
export { type PretrainOptions, pretrain } from "./latent-diffusion/train.ts";
export { type Corpus, type CorpusSource, readCorpus } from "./trainer/corpus.ts";
export type { PhotoSettings } from "./trainer/photo-settings.ts";
export { type TrainingFigures, trainingFigures } from "./trainer/training-figures.ts";
