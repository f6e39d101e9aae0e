import { TorchError } from "./errors.ts";

function trap(what: string, remedy: string): never {
  throw new TorchError(`${what} ${remedy}`);
}

/**
 * The value of a tensor's property that structuredClone and postMessage come across: they copy properties, which are
 * numbers that mean nothing elsewhere, and leave the elements behind.
 */
export const UNCLONEABLE: object = Object.defineProperty({}, "elements", {
  enumerable: true,
  get: () =>
    trap(
      "A tensor cannot be cloned or posted: its elements are not in its JavaScript object.",
      "Post threads.give(x) and call threads.take there, which shares the memory between threads of this process; elsewhere send x.toTyped() with x.shape and x.dtype, and make a tensor of them with torch.fromTyped.",
    ),
});

const TRAPPED_INDICES = 16;

/**
 * @internal Makes uses of a tensor throw for which JavaScript has an answer of its own that means nothing: numbers and
 * comparisons would be those of its text, JSON that of its properties, and Array.from() would be empty.
 */
export function setTraps(prototype: object): void {
  const traps: Record<PropertyKey, (...args: never[]) => unknown> = {
    [Symbol.toPrimitive](this: object, hint: string) {
      if (hint === "string") return String(this.toString());
      return trap(
        "A tensor is no number and no text: JavaScript's operators cannot use it.",
        "Compare with x.lt(y) or x.eq(y), calculate with x.add(y), take one element with x.item(), write String(x) for the text.",
      );
    },
    toJSON: () => trap("A tensor has no JSON.", "Use x.tolist(), or safetensors.write for weights."),
  };
  for (const key of Reflect.ownKeys(traps)) {
    Object.defineProperty(prototype, key, {
      value: traps[key as string],
      writable: true,
      configurable: true,
    });
  }
  // What an array would have. Numbers beyond are no tensor's either, but a loop begins at the first.
  for (let index = 0; index < TRAPPED_INDICES; index += 1) {
    const refuse = (): never =>
      trap(
        `A tensor has no property ${index}: JavaScript's brackets do not index it.`,
        `Read x.at(${index}), write x.setAt(${index}, value).`,
      );
    Object.defineProperty(prototype, index, { configurable: true, get: refuse, set: refuse });
  }
  // Array.from() and the typed arrays take for empty what has no length. That `for (const row of x)` is impossible, JavaScript
  // says itself; an iterator that throws would stand in the way of test runners, which compare.
  Object.defineProperty(prototype, "length", {
    configurable: true,
    get: () =>
      trap(
        "A tensor has no length and cannot be iterated over.",
        "Use x.shape[0] or x.numel; x.unbind(0) for its parts, x.tolist() for numbers.",
      ),
  });
}
