import { fileURLToPath } from "node:url";
import { isTensor } from "./call.ts";
import { TorchError } from "./errors.ts";
import { native, slot } from "./native.ts";

/** What a scope knows of a tensor. */
interface Scoped {
  [slot]: number;
  /** The scope that will release it; undefined for kept tensors and for those made outside of any scope. */
  owner: Scope | undefined;
}

let current: Scope | undefined;
let tracing = false;
const places = new Map<WeakRef<Scoped>, string>();

/**
 * Releases the tensors that were made while it was the innermost scope. `scope(fn)` is the usual form;
 * `using s = new Scope()` ends with its block.
 */
export class Scope {
  readonly #outer = current;
  readonly #tensors: Scoped[] = [];
  #open = true;

  constructor() {
    current = this;
  }

  /** @internal */
  add(tensor: Scoped): void {
    tensor.owner = this;
    this.#tensors.push(tensor);
  }

  /** Hands tensors of this scope to the surrounding one, found in arrays, maps, sets and plain objects too. */
  release<T>(value: T): T {
    forEachTensor(value, (tensor) => {
      if (tensor.owner !== this) return;
      if (this.#outer) this.#outer.add(tensor);
      else leave(tensor);
    });
    return value;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    if (current !== this) throw new TorchError("Scopes must end in the reverse order of their begin.");
    this.#open = false;
    current = this.#outer;
    let count = 0;
    for (const tensor of this.#tensors) {
      if (tensor.owner !== this || tensor[slot] <= 0) continue;
      freed[count++] = tensor[slot];
      tensor[slot] = 0;
      if (count === freed.length) {
        native.free(freed, count);
        count = 0;
      }
    }
    if (count > 0) native.free(freed, count);
  }
}

/** Ends a scope with all that were begun in it and left open, by an exception for instance. */
function end(scope: Scope): void {
  while (current !== undefined && current !== scope) current[Symbol.dispose]();
  scope[Symbol.dispose]();
}

/** Slots on their way to the addon. */
const freed = new Int32Array(256);

/** @internal Releases one tensor now. */
export function dispose(tensor: Scoped): void {
  if (tensor[slot] <= 0) return;
  freed[0] = tensor[slot];
  tensor[slot] = 0;
  native.free(freed, 1);
}

/** No scope will release the tensor: the garbage collector will. */
function leave(tensor: Scoped): void {
  tensor.owner = undefined;
  native.own(tensor, tensor[slot]);
}

/** @internal Called by the constructor of Tensor. */
export function enter(tensor: Scoped): void {
  if (current) current.add(tensor);
  else leave(tensor);
  if (tracing) note(tensor);
}

/**
 * Runs `fn` and releases every tensor made in it, except the ones it returns (in arrays, maps and plain
 * objects too), kept ones, and what autograd needs. Scopes nest; a training step is one scope.
 *
 * @throws TorchError when `fn` is asynchronous: tensors of other tasks would be released with its own
 * @example const loss = scope(() => model.forward(x).mseLoss(y).item());
 */
export function scope<T>(fn: () => T): T {
  return scopeTaking([], fn);
}

/**
 * @internal What a callback returned; a promise is refused, because the rest of its work would run after `name` has ended.
 */
export function synchronous<T>(name: string, result: T): T {
  if (!(result instanceof Promise)) return result;
  result.catch(() => {}); // the error below is the one to report
  throw new TorchError(
    `${name}() needs a synchronous function. Await first, and call ${name}() around what follows.`,
  );
}

/** @internal A scope that also releases these tensors, which the surrounding one would have released later. */
export function scopeTaking<T>(tensors: readonly (Scoped | null)[], fn: () => T): T {
  const inner = new Scope();
  try {
    for (const tensor of tensors) if (tensor?.owner) inner.add(tensor);
    const result = fn();
    return inner.release(synchronous("scope", result));
  } finally {
    end(inner);
  }
}

/** Takes a tensor (or all in an array, map or object) out of its scope: it lives until disposed or collected. */
export function keep<T>(value: T): T {
  forEachTensor(value, (tensor) => {
    if (tensor.owner) leave(tensor);
  });
  return value;
}

function forEachTensor(value: unknown, visit: (tensor: Scoped) => void, seen = new Set<object>()): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  if (isTensor(value)) {
    visit(value);
    return;
  }
  seen.add(value);
  if (Array.isArray(value) || value instanceof Set) {
    for (const item of value) forEachTensor(item, visit, seen);
  } else if (value instanceof Map) {
    for (const item of value.values()) forEachTensor(item, visit, seen);
  } else if (!ArrayBuffer.isView(value)) {
    for (const item of Object.values(value)) forEachTensor(item, visit, seen);
  }
}

export interface MemoryReport {
  /** Tensors that are neither disposed nor collected. */
  readonly tensors: number;
  /** Bytes of those among them that own their CPU memory. */
  readonly bytes: number;
  /** Where the living tensors were made and how many there; only while tracing. */
  readonly places?: ReadonlyMap<string, number>;
}

/** Counts the living tensors of this thread; with `traceMemory(true)` before, also says where they were made. */
export function memory(): MemoryReport {
  const report = native.memory();
  if (!tracing) return report;
  forgetDead();
  const counts = new Map<string, number>();
  for (const text of places.values()) counts.set(place(text), (counts.get(place(text)) ?? 0) + 1);
  return { ...report, places: counts };
}

let enough = 0;

/** Notes where a tensor was made; now and then forgets those that are gone, so that the notes do not become the leak. */
function note(tensor: Scoped): void {
  places.set(new WeakRef(tensor), stack());
  if (places.size < enough) return;
  forgetDead();
  enough = 2 * places.size + 1000;
}

function forgetDead(): void {
  for (const reference of places.keys()) {
    const tensor = reference.deref();
    if (!tensor || tensor[slot] <= 0) places.delete(reference);
  }
}

/** Switches on (or off) the recording of where tensors are made. Slow; for finding leaks. */
export function traceMemory(enabled: boolean): void {
  tracing = enabled;
  if (!enabled) places.clear();
}

/** Where the call came from. The usual ten lines would end within a network of nested modules. */
function stack(): string {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const text = new Error("made here").stack ?? "";
  Error.stackTraceLimit = before;
  return text;
}

/** The engine's own folder, as it stands in the lines of a stack. */
const own = [new URL("..", import.meta.url).href, fileURLToPath(new URL("..", import.meta.url))];

/** The first line of a stack outside of the engine and of JavaScript's own functions. */
function place(text: string): string {
  const lines = text.split("\n").slice(1);
  const isOutside = (line: string) =>
    !line.includes("<anonymous>") && !own.some((folder) => line.includes(folder));
  return (lines.find(isOutside) ?? lines[0] ?? "unknown").trim();
}
