import { type AnyModule, Module } from "./nn/module.ts";
import { isTensor, native, synchronous, type Tensor, TorchError } from "./tensor/index.ts";

export interface NumericsOptions {
  /** Whether infinite elements are refused as NaN are; masks of attention hold some. Default true. */
  infinite?: boolean;
}

/**
 * Checks that tensors are finite: those given, or a module's parameters, their gradients and its buffers.
 * @throws TorchError naming the first that holds NaN (or an infinite number), with how many
 * @example checkNumerics(model); // 'The gradient of "out.weight", float32[10, 128], has 3 NaN and 0 infinite elements.'
 */
export function checkNumerics(
  values: Tensor | readonly Tensor[] | Readonly<Record<string, Tensor>> | AnyModule,
  { infinite = true }: NumericsOptions = {},
): void {
  for (const [name, tensor] of named(values)) {
    const found = native.nonFinite(tensor, infinite);
    if (found === null) continue;
    throw new TorchError(`${name}, ${found}. Find its origin with detectNonFinite or detectAnomaly.`);
  }
}

function* named(
  values: Tensor | readonly Tensor[] | Readonly<Record<string, Tensor>> | AnyModule,
): Iterable<[string, Tensor]> {
  if (isTensor(values)) {
    yield ["The tensor", values];
  } else if (values instanceof Module) {
    for (const [key, parameter] of values.namedParameters()) {
      yield [`"${key}"`, parameter];
      if (parameter.grad) yield [`The gradient of "${key}"`, parameter.grad];
    }
    for (const [key, buffer] of values.namedBuffers()) yield [`"${key}"`, buffer];
  } else if (Array.isArray(values)) {
    for (const [i, tensor] of values.entries()) yield [`Tensor ${i}`, tensor];
  } else {
    for (const [key, tensor] of Object.entries(values)) yield [`"${key}"`, tensor];
  }
}

export interface DetectNonFiniteOptions extends NumericsOptions {
  /** Its layers are named in errors. */
  model?: AnyModule;
}

/**
 * Runs a synchronous function and stops at the first operator that is called in it and gives NaN (or an infinite
 * number). What the backward pass computes is not looked at: there `detectAnomaly` serves, and `checkNumerics(model)`.
 *
 * @throws TorchError at that operator's call, with its name, its arguments and the layer; when `fn` is asynchronous
 * @example detectNonFinite(() => model.forward(x), { model }); // Layer "norm" (LayerNorm): aten::rsqrt: its result, …
 */
export function detectNonFinite<T>(fn: () => T, { infinite = true, model }: DetectNonFiniteOptions = {}): T {
  const before = native.setNumericsCheck(infinite ? 2 : 1);
  const restore = model ? nameLayers(model) : () => {};
  try {
    return synchronous("detectNonFinite", fn());
  } finally {
    restore();
    native.setNumericsCheck(before);
  }
}

/** Errors inside of a module's `forward` get its path, those of the innermost first. */
function nameLayers(model: AnyModule): () => void {
  const modules = model.namedModules();
  for (const [path, module] of modules) {
    const { forward } = module;
    const naming = (...args: never[]): unknown => {
      try {
        return forward.apply(module, args);
      } catch (error) {
        if (!(error instanceof TorchError) || error.message.startsWith("Layer ")) throw error;
        const message = `Layer "${path}" (${module.constructor.name}): ${error.message}`;
        throw Object.assign(new TorchError(message, error.operator, error.schema), { cause: error });
      }
    };
    Object.defineProperty(module, "forward", { value: naming, configurable: true, enumerable: false });
  }
  return () => {
    for (const [, module] of modules) delete (module as Partial<AnyModule>).forward;
  };
}
