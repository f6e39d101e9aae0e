/** Torch for TypeScript: libtorch's tensors, autograd, layers and optimisers. */
export * from "./autograd.ts";
export { call } from "./call.ts";
export * as checkpoints from "./checkpoint.ts";
export { fromTyped, full, type TensorOptions, tensor } from "./create.ts";
export * from "./dtype.ts";
export * from "./errors.ts";
export * from "./generator.ts";
export { type Index, type Slice, slice } from "./indexing.ts";
export { cpuFeatures } from "./library/cpu.ts";
export { type Precision, type PrecisionSetting, resolvePrecision } from "./library/precision.ts";
export * as nn from "./nn/index.ts";
export * from "./operators.ts";
export * as optim from "./optim/index.ts";
export * from "./random.ts";
export * as safetensors from "./safetensors.ts";
export { keep, type MemoryReport, memory, Scope, scope, traceMemory } from "./scope.ts";
export * from "./system.ts";
export * from "./tensor.ts";
