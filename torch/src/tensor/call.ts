import { TorchError } from "./errors.ts";
import { announceDraw, Generator } from "./generator.ts";
import { native, slot } from "./native.ts";
import { remedyFor } from "./remedy.ts";
import type { Tensor } from "./tensor.ts";

/** True for a tensor, disposed or not. */
export const isTensor = (value: unknown): value is Tensor =>
  typeof value === "object" && value !== null && (value as { [slot]?: unknown })[slot] !== undefined;

/** Whether the last argument is the object of options, and no tensor, list, generator or complex number. */
function isOptions(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || isTensor(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !("real" in value && "imag" in value);
}

const nameIds = new Map<string, number>();

function nameId(name: string): number {
  let id = nameIds.get(name);
  if (id === undefined) {
    id = native.nameId(name);
    nameIds.set(name, id);
  }
  return id;
}

let makeTensor: (slotNumber: number, packet: number) => Tensor;

/** @internal tensor.ts says how tensors are made: it imports this file, not the other way round. */
export function onNewTensor(make: typeof makeTensor): void {
  makeTensor = make;
}

/** What an operator offers beside `call`: the same names and bits as in schemas.cpp. */
const ONE_TENSOR = 1 << 0; // `direct` takes a tensor,
const TWO_TENSORS = 1 << 1; // two of them,
const THREE_TENSORS = 1 << 2; // or three
const TENSOR_AND_NUMBER = 1 << 3; // `directScalar` takes a tensor and a number
const GIVES_ONE_TENSOR = 1 << 4; // `call` returns the slot of a new tensor
const IS_FACTORY = 1 << 5; // the tensor may be made with `requiresGrad`

const forms: number[] = [];

/** Which of these forms an operator has. */
export function formsOf(packet: number): number {
  forms[packet] ??= native.directForms(packet);
  return forms[packet];
}

/** Calls an operator with positional arguments and, at the end, at most one object of named ones. Changes `args`. */
export function invoke(packet: number, args: unknown[]): unknown {
  // An absent options object arrives as undefined.
  while (args.length > 0 && args[args.length - 1] === undefined) args.pop();
  const last = args[args.length - 1];
  const options = isOptions(last) ? last : undefined;
  if (options) args.pop();
  const positional = args.length;
  let requiresGrad: unknown;
  if (options) {
    for (const name in options) {
      const value = options[name];
      if (name === "requiresGrad" && formsOf(packet) & IS_FACTORY) {
        requiresGrad = value; // which is no argument of libtorch's operators
        continue;
      }
      if (value instanceof Generator) announceDraw(value);
      if (value !== undefined) args.push(nameId(name), value);
    }
  }
  let result: unknown;
  try {
    result = native.call(packet, positional, ...args);
  } catch (error) {
    throw explained(error, args.slice(0, positional), options);
  }
  // An operator that works in place gives back the object itself.
  const isNew = typeof result === "number" && formsOf(packet) & GIVES_ONE_TENSOR;
  const made = isNew ? makeTensor(result as number, packet) : result;
  if (requiresGrad !== undefined) (made as Tensor).requiresGrad = requiresGrad as boolean;
  return made;
}

/** What the addon threw; an operator's error with the arguments as they came. */
export function explained(error: unknown, args: readonly unknown[], options: object = {}): unknown {
  if (!(error instanceof TorchError) || !error.operator || error.arguments !== undefined) return error;
  const named = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${described(value)}`);
  const all = [...args.map(described), ...named].join(", ");
  return new TorchError(
    withRemedy(error.message, error.operator, args, options),
    error.operator,
    error.schema,
    all,
  );
}

const NO_OVERLOAD = "has no overload for these arguments.";

/** Where no overload takes the arguments: the call that was probably meant. */
function withRemedy(message: string, operator: string, args: readonly unknown[], options: object): string {
  if (!message.includes(NO_OVERLOAD)) return message;
  const remedy = remedyFor(operator, args, options as Record<string, unknown>, described);
  return remedy === undefined
    ? message
    : message.replace(NO_OVERLOAD, `${NO_OVERLOAD} Did you mean ${remedy}?`);
}

/** A value as errors show it: "float32[2, 3]", "disposed tensor", "[1, 2]". */
export function described(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (isTensor(value)) {
    if (value.isDisposed) return "disposed tensor";
    const place = value.device === "cpu" ? "" : ` on ${value.device}`;
    return `${value.dtype}[${sizesOf(value)}]${place}`;
  }
  if (Array.isArray(value)) {
    const items = value.slice(0, 8).map((item) => (Array.isArray(item) ? "[…]" : described(item)));
    return `[${items.join(", ")}${value.length > 8 ? ", …" : ""}]`;
  }
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
    case "boolean":
      return String(value);
    case "bigint":
      return `${value}n`;
    case "object":
      if (value instanceof Generator) return "Generator";
      return "real" in value && "imag" in value ? "complex number" : "object";
    default:
      return "unsupported value";
  }
}

/** The object for a slot that `native.direct` returned: an argument's own where the operator works in place. */
function result(
  made: number,
  packet: number,
  first: Tensor,
  second?: unknown,
  third?: unknown,
): Tensor | null {
  if (made === first[slot]) return first;
  if (isTensor(second) && made === second[slot]) return second;
  if (isTensor(third) && made === third[slot]) return third;
  return made === 0 ? null : makeTensor(made, packet);
}

/**
 * @internal The operator for methods and functions alike: the first argument, and all others. Its index is looked up at
 * the first call. Calls with one to three tensors, or a tensor and a number, take the short way; all others the general one.
 */
export function caller(operator: string): (first: unknown, rest: unknown[]) => unknown {
  let packet = -1;
  let forms = 0;
  return (first, rest) => {
    if (packet < 0) {
      packet = native.packet(operator);
      forms = formsOf(packet);
    }
    if (!isTensor(first) || first[slot] <= 0) return invoke(packet, [first, ...rest]);
    const own = first[slot];
    const [a, b] = rest;
    try {
      switch (rest.length) {
        case 0:
          if (forms & ONE_TENSOR) return result(native.direct(packet, own), packet, first);
          break;
        case 1:
          if (typeof a === "number") {
            if (forms & TENSOR_AND_NUMBER) return result(native.directScalar(packet, own, a), packet, first);
          } else if (forms & TWO_TENSORS && isTensor(a) && a[slot] > 0) {
            return result(native.direct(packet, own, a[slot]), packet, first, a);
          }
          break;
        case 2:
          if (forms & THREE_TENSORS && isTensor(a) && isTensor(b) && a[slot] > 0 && b[slot] > 0) {
            return result(native.direct(packet, own, a[slot], b[slot]), packet, first, a, b);
          }
      }
    } catch (error) {
      throw explained(error, [first, ...rest]);
    }
    return invoke(packet, [first, ...rest]);
  };
}

/** The operator as a function. */
// biome-ignore lint/suspicious/noExplicitAny: the declared type of each constant in operators.ts says what goes in and comes out
export function bind(operator: string): (first?: any, ...rest: any[]) => any {
  const run = caller(operator);
  return (first, ...rest) => run(first, rest);
}

/** Nested tensors have no shape. */
function sizesOf(tensor: Tensor): string {
  try {
    return tensor.shape.join(", ");
  } catch {
    return "…";
  }
}

const packets = new Map<string, number>();

/**
 * Calls an operator by its schema's name, with or without the overload.
 * @example call("aten::add.Tensor", a, b, { alpha: 2 })
 */
export function call(name: string, ...args: unknown[]): unknown {
  let packet = packets.get(name);
  if (packet === undefined) {
    packet = native.packet(name);
    packets.set(name, packet);
  }
  return invoke(packet, args);
}
