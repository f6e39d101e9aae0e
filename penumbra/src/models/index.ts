// Networks: each file one architecture, with the parameter names of its published weights.
export { autocastTo, type Compute } from "./autocast-to.ts";
export { AutoencoderKL, type Posterior, samplePosterior } from "./autoencoder-kl.ts";
export type { AutoencoderKLConfig, AutoencoderKLConfigInput } from "./autoencoder-kl-config.ts";
export { CHANNEL_BLOCK, CHANNEL_RULE, requireChannels } from "./channels.ts";
export { ClassEmbedding } from "./class-embedding.ts";
export {
  CLIPTextModel,
  CLIPTextModelWithProjection,
  type ClipTextOptions,
  type ClipTextOutput,
} from "./clip-text.ts";
export type { ClipTextConfig, ClipTextConfigInput } from "./clip-text-config.ts";
export { CLIPVisionModelWithProjection, type ClipVisionOutput } from "./clip-vision.ts";
export type { ClipVisionConfig, ClipVisionConfigInput } from "./clip-vision-config.ts";
export {
  DepthwiseSeparable,
  EfficientNetLite,
  type EfficientNetLiteOptions,
  InvertedResidual,
  SameConv2d,
} from "./efficientnet-lite.ts";
export {
  type EncoderNetwork,
  type EncoderNetworkName,
  encoderNetworkNames,
  encoderNetworks,
  type NetworkSizes,
  type Normalisation,
  STEMS,
} from "./encoder-networks.ts";
export {
  type EncoderWeights,
  type FindWeightsOptions,
  findEncoderWeights,
  loadPublishedEncoder,
  type PublishedEncoder,
  recogniseEncoder,
} from "./encoder-weights.ts";
export { ModelError } from "./errors.ts";
export { foldBatchNorms, foldedConvolution } from "./fold-batch-norms.ts";
export { ImageEncoder, type Layer, modulesOf, parametersOf } from "./image-encoder.ts";
export {
  type AdversarialGenerator,
  type Discriminator,
  GAN_ARCHITECTURES,
  GanDiscriminator,
  GanGenerator,
  type ImageGanConfig,
} from "./image-gan.ts";
export { ImageVae, type ImageVaeConfig, type LatentAutoencoder } from "./image-vae.ts";
export { readJson } from "./json-file.ts";
export type { RawConfig } from "./model-config.ts";
export {
  findNetwork,
  loadWeights,
  type SaveModelOptions,
  type StoredModel,
  saveModel,
} from "./network-folder.ts";
export { interpolatePositions } from "./position-embedding.ts";
export { type PriorConditions, PriorTransformer } from "./prior-transformer.ts";
export type { PriorTransformerConfig, PriorTransformerConfigInput } from "./prior-transformer-config.ts";
export { ProjectionHead } from "./projection-head.ts";
export { ownAttentionKey, ownTextKey, publishedTextKey } from "./published-names.ts";
export { ResNet, type ResNetDesign, type ResNetOptions } from "./resnet.ts";
export { BasicBlock, Bottleneck } from "./resnet-blocks.ts";
export { tiled } from "./tiles.ts";
export { ownTransformerWeights } from "./transformer-names.ts";
export {
  type DecoderConditions,
  UnCLIPTextProjModel,
  type UnclipTextProjConfig,
} from "./unclip-text-proj.ts";
export { UNet2DConditionModel, type UNetConditions } from "./unet.ts";
export { UNet2DModel } from "./unet-2d.ts";
export type { UNet2DConfig, UNet2DConfigInput } from "./unet-2d-config.ts";
export type { UNetConfig, UNetConfigInput } from "./unet-config.ts";
export {
  type Positions,
  SelfAttention,
  TransformerBlock,
  VisionTransformer,
  type VisionTransformerOptions,
} from "./vision-transformer.ts";
export { readWeights, weightsFileIn, weightsParts, weightsPartsAmong } from "./weights-file.ts";
