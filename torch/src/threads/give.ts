import { isTensor, native, scope, type Tensor, TorchError } from "../tensor/index.ts";

/** Stands for a tensor in a message between threads. */
export interface GivenTensor {
  /** Its number among those that are underway in this process. */
  readonly givenTensor: number;
}

/** A value with the tensors in its arrays, maps and plain objects given. */
export type Given<T> = T extends Tensor
  ? GivenTensor
  : T extends Map<infer K, infer V>
    ? Map<K, Given<V>>
    : T extends ArrayBufferView | Date
      ? T
      : { [K in keyof T]: Given<T[K]> };

/**
 * Makes a message of a value: `worker.postMessage(give(batch))`. Its tensors (in arrays, maps and plain objects too) are
 * replaced by what stands for them; the receiver calls `take`, once. Memory is shared and not copied: what one thread
 * writes the other sees, and neither can resize it any more. The giver's tensors remain its own, to be disposed as always.
 *
 * @throws TorchError for a sparse or nested tensor, one that was computed with gradients (its graph cannot leave the
 *   thread), and one whose memory `asTyped` shows; nothing is given then
 */
export function give<T>(value: T): Given<T> {
  const given: GivenTensor[] = [];
  try {
    return replaced(value, isTensor, (tensor) => {
      given.push({ givenTensor: native.give(tensor) });
      return given.at(-1);
    }) as Given<T>;
  } catch (error) {
    forget(given);
    throw error;
  }
}

/**
 * The value that another thread gave, with tensors of this thread: they belong to its scope and require no gradient.
 * @throws TorchError where it was taken already: each receiver needs a `give` of its own
 */
export function take<T>(given: Given<T>): T {
  return replaced(given, isGiven, ({ givenTensor }) => {
    const tensor = native.take(givenTensor);
    if (tensor !== null) return tensor;
    throw new TorchError("A given tensor was taken already. Call give() once for each receiver.");
  }) as T;
}

/** Releases what was given and will not be taken, for example because its receiver has ended. */
export function forget(given: unknown): void {
  scope(() => void replaced(given, isGiven, ({ givenTensor }) => native.take(givenTensor)));
}

const isGiven = (value: object): value is GivenTensor => Object.hasOwn(value, "givenTensor");

/** A copy of the value in which what `is` recognises is replaced; other values stay as they are. */
function replaced<Part extends object>(
  value: unknown,
  is: (value: object) => value is Part,
  replace: (part: Part) => unknown,
  seen = new Map<object, unknown>(),
): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (is(value)) return replace(value);
  if (seen.has(value)) return seen.get(value);
  const inner = (item: unknown) => replaced(item, is, replace, seen);
  if (Array.isArray(value)) {
    const copy: unknown[] = [];
    seen.set(value, copy);
    for (const item of value) copy.push(inner(item));
    return copy;
  }
  if (value instanceof Map) {
    const copy = new Map<unknown, unknown>();
    seen.set(value, copy);
    for (const [key, item] of value) copy.set(key, inner(item));
    return copy;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy: Record<string, unknown> = {};
  seen.set(value, copy);
  for (const [key, item] of Object.entries(value)) copy[key] = inner(item);
  return copy;
}
