// Networks: modules with parameters and buffers, the usual layers, initialisers, and state dicts with PyTorch's keys.
export * from "./activations.ts";
export { AdaptiveLogSoftmaxWithLoss, type AdaptiveSoftmaxOptions } from "./adaptive-softmax.ts";
export { type AttentionOptions, MultiheadAttention } from "./attention.ts";
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormOptions } from "./batch-norm.ts";
export { ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential } from "./containers.ts";
export * from "./conv.ts";
export { CosineSimilarity, PairwiseDistance, type PairwiseDistanceOptions } from "./distance.ts";
export {
  AlphaDropout,
  Dropout,
  Dropout1d,
  Dropout2d,
  Dropout3d,
  type DropoutOptions,
  FeatureAlphaDropout,
} from "./dropout.ts";
export { type BagOptions, Embedding, EmbeddingBag, type EmbeddingBagOptions } from "./embedding.ts";
export * as functional from "./functional/index.ts";
export {
  type BackwardHook,
  type BackwardPreHook,
  type ForwardHook,
  type ForwardPreHook,
  type Gradients,
  HookHandle,
} from "./hooks.ts";
export * as init from "./init.ts";
export {
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  type InstanceNormOptions,
} from "./instance-norm.ts";
export { Bilinear, Linear } from "./linear.ts";
export * from "./losses/index.ts";
export { type AnyModule, Module, type ModuleTarget } from "./module.ts";
export * from "./norm.ts";
export {
  PackedSequence,
  type PackOptions,
  packPaddedSequence,
  packSequence,
  padPackedSequence,
  padSequence,
  type SequenceOptions,
  unpackSequence,
  unpadSequence,
} from "./packed-sequence.ts";
export * from "./padding.ts";
export { buffer, parameter } from "./parameter.ts";
export * from "./pooling.ts";
export * from "./rnn.ts";
export * from "./rnn-cells.ts";
export * from "./shapes.ts";
export * from "./special-pooling.ts";
export { type LoadOptions, type LoadReport, type StateDict, StateDictError } from "./state-dict.ts";
export { Summary, type SummaryRow, summary } from "./summary.ts";
export * from "./transformer.ts";
export * from "./upsample.ts";
