/** Torch for TypeScript: libtorch's tensors, autograd, layers and optimisers. */
export * from "./anomaly.ts";
export * as aot from "./aot.ts";
export * from "./autograd.ts";
export * as checkpoints from "./checkpoint.ts";
export * from "./cuda/index.ts";
export * as data from "./data/index.ts";
export * as distributed from "./distributed/index.ts";
export { cpuFeatures } from "./library/cpu.ts";
export { type Precision, type PrecisionSetting, resolvePrecision } from "./library/precision.ts";
export * as nn from "./nn/index.ts";
export * from "./numerics.ts";
export * as optim from "./optim/index.ts";
export { type LoadOptions, load, PickleError, type Saved, save } from "./pickle/index.ts";
export * as profiler from "./profiler/index.ts";
export * from "./random.ts";
export * as safetensors from "./safetensors.ts";
export * from "./system.ts";
export {
  type Complex,
  call,
  type Device,
  type DType,
  defaultGenerator,
  dtypeOf,
  fromTyped,
  full,
  Generator,
  type GeneratorOptions,
  type Index,
  isTensor,
  keep,
  type Layout,
  type MemoryFormat,
  type MemoryReport,
  manualSeed,
  memory,
  type Nested,
  numel,
  type Reduction,
  type Scalar,
  Scope,
  type Slice,
  scope,
  slice,
  Tensor,
  type TensorOptions,
  type ToOptions,
  TorchError,
  type TypedArray,
  tensor,
  traceMemory,
  typedArrayOf,
  unique,
} from "./tensor/index.ts";
export * from "./tensor/operators.ts";
export * as threads from "./threads/index.ts";
