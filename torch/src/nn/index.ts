// Networks: modules with parameters and buffers, the usual layers, initialisers, and state dicts with PyTorch's keys.
export {
  ELU,
  Flatten,
  GELU,
  Hardswish,
  Identity,
  LeakyReLU,
  LogSoftmax,
  Mish,
  ReLU,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Tanh,
} from "./activations.ts";
export { type AttentionOptions, MultiheadAttention } from "./attention.ts";
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from "./batch-norm.ts";
export { ModuleList, Sequential } from "./containers.ts";
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvOptions,
  ConvTranspose2d,
  type ConvTransposeOptions,
  type Size,
} from "./conv.ts";
export { Dropout, Dropout2d } from "./dropout.ts";
export { Embedding } from "./embedding.ts";
export * as init from "./init.ts";
export { Linear } from "./linear.ts";
export { type AnyModule, Module, type ModuleTarget } from "./module.ts";
export { GroupNorm, type GroupNormOptions, LayerNorm, type LayerNormOptions } from "./norm.ts";
export { buffer, parameter } from "./parameter.ts";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveMaxPool2d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  type AvgPoolOptions,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
  type MaxPoolOptions,
  type PoolOptions,
} from "./pooling.ts";
export { type LoadOptions, type LoadReport, type StateDict, StateDictError } from "./state-dict.ts";
