/** Generators: the table of networks that draw, trained on captioned images. A new one is a folder and a line in the table. */

import type { ImageGenerator } from "./generator.ts";
import { latentDiffusion } from "./latent-diffusion/index.ts";

export const GENERATORS = { "latent-diffusion": latentDiffusion } as const satisfies Record<
  string,
  ImageGenerator
>;

export type GeneratorName = keyof typeof GENERATORS;
export const generatorNames = Object.keys(GENERATORS) as [GeneratorName, ...GeneratorName[]];

export { GeneratorError } from "./errors.ts";
export type { ImageGenerator, TrainingOptions } from "./generator.ts";
export { ARCHITECTURES } from "./latent-diffusion/architectures.ts";
export { PretrainSettings } from "./latent-diffusion/settings.ts";
export { type PretrainOptions, pretrain } from "./latent-diffusion/train.ts";
export { type Corpus, readCorpus } from "./trainer/corpus.ts";
