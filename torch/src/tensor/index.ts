/** Tensors: the class and its operators, indexing, printing, scopes and generators; the one way to the addon. */
export * from "./allocate.ts";
export * from "./call.ts";
export * from "./create.ts";
export * from "./dtype.ts";
export * from "./errors.ts";
export * from "./generator.ts";
export * from "./indexing.ts";
export * from "./memory.ts";
export * from "./native.ts";
export * from "./operators.ts";
export * from "./print.ts";
export * from "./scope.ts";
export { numel, unique } from "./short-forms.ts";
export * from "./tensor.ts";
