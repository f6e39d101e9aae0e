// Networks: each file one architecture, with the parameter names of its published weights.
export { autocastTo, type Compute } from "./autocast-to.ts";
export { AutoencoderKL, type Posterior, samplePosterior } from "./autoencoder-kl.ts";
export type { AutoencoderKLConfig, AutoencoderKLConfigInput } from "./autoencoder-kl-config.ts";
export { CHANNEL_BLOCK, CHANNEL_RULE, requireChannels } from "./channels.ts";
export { CLIPTextModel, type ClipTextOptions } from "./clip-text.ts";
export type { ClipTextConfig, ClipTextConfigInput } from "./clip-text-config.ts";
export { ModelError } from "./errors.ts";
export type { ImageEncoder } from "./image-encoder.ts";
export { readJson } from "./json-file.ts";
export type { RawConfig } from "./model-config.ts";
export {
  findNetwork,
  loadWeights,
  type SaveModelOptions,
  type StoredModel,
  saveModel,
} from "./network-folder.ts";
export { ownAutoencoderKey, ownTextKey, publishedTextKey } from "./published-names.ts";
export { ProjectionHead, ResNet, type ResNetOptions } from "./resnet.ts";
export { UNet2DConditionModel } from "./unet.ts";
export type { UNetConfig, UNetConfigInput } from "./unet-config.ts";
export { readWeights, weightsFileIn } from "./weights-file.ts";
