/** Generators: training of the networks that draw, from corpora of captioned images. */

export { ARCHITECTURES, PretrainSettings } from "./latent-diffusion/config.ts";
export { type Corpus, readCorpus } from "./latent-diffusion/corpus.ts";
export { type PretrainOptions, pretrain } from "./latent-diffusion/pretrain.ts";
