import { AsyncLocalStorage } from "node:async_hooks";
import { isTensor } from "./call.ts";
import { TorchError } from "./errors.ts";
import { note } from "./memory.ts";
import { native, slot } from "./native.ts";

/** What a scope knows of a tensor. */
interface Scoped {
  [slot]: number;
  /** The scope that will release it; undefined for kept tensors and for those made outside of any scope. */
  owner: Scope | undefined;
}

/** The innermost scope of the synchronous code that runs now. */
let current: Scope | undefined;
/** The asynchronous scope that the code belongs to that runs now; looked at only while there is one. */
const context = new AsyncLocalStorage<Scope>();
let asynchronousScopes = 0;
let isWatched = false;

/** A block ends in the code that opens it, a call with its function, an asynchronous scope with its function's promise. */
type Kind = "block" | "call" | "asynchronous";

/**
 * Releases the tensors that were made while it was the innermost scope. `scope(fn)` is the usual form;
 * `using s = new Scope()` ends with its block, in which nothing may be awaited: for that there is `scope(async () => …)`.
 */
export class Scope {
  readonly #kind: Kind;
  readonly #outer: Scope | undefined;
  /** The asynchronous scope that a block's code belongs to. */
  readonly #course: Scope | undefined;
  readonly #tensors: Scoped[] = [];
  #isOpen = true;
  #isStranded = false;

  /** @param kind internal */
  constructor(kind: Kind = "block") {
    this.#kind = kind;
    this.#outer = kind === "asynchronous" ? asynchronous() : innermost();
    if (kind === "asynchronous") return;
    current = this;
    if (kind !== "block") return;
    this.#course = courseOfNow();
    watch();
  }

  /** @internal */
  add(tensor: Scoped): void {
    tensor.owner = this;
    this.#tensors.push(tensor);
  }

  /** Hands tensors of this scope to the surrounding one, found in arrays, maps, sets and plain objects too. */
  release<T>(value: T): T {
    const outer = Scope.open(this.#outer);
    forEachTensor(value, (tensor) => {
      if (tensor.owner !== this) return;
      if (outer) outer.add(tensor);
      else leave(tensor);
    });
    return value;
  }

  /**
   * Releases its tensors.
   * @throws TorchError where a scope that was begun later is still open, and where something was awaited meanwhile
   */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    const isInnermost = current === this;
    this.#isOpen = false;
    if (isInnermost) {
      const next = Scope.open(this.#outer);
      current = next && next.#kind !== "asynchronous" ? next : undefined;
    }
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
    if (this.#isStranded) {
      throw new TorchError(
        "A Scope was open while something was awaited: other tasks ran meanwhile, and what this one made after the await " +
          "was not released with it. Use `await scope(async () => { … })`.",
      );
    }
    if (!isInnermost && this.#kind !== "asynchronous") {
      throw new TorchError("Scopes must end in the reverse order of their begin.");
    }
  }

  /** @internal This scope or the nearest one around it that has not ended. */
  static open(scope: Scope | undefined): Scope | undefined {
    let open = scope;
    while (open !== undefined && !open.#isOpen) open = open.#outer;
    return open;
  }

  /**
   * @internal A block is open while something is awaited, and another task runs in an asynchronous scope of its own:
   * promises that were ready already go on before the block is known to be stranded.
   */
  get isOfAnotherTask(): boolean {
    return this.#kind === "block" && asynchronousScopes > 0 && this.#course !== courseOfNow();
  }

  /** @internal The synchronous code has ended in which these scopes were opened: they must not see what other tasks make. */
  static strand(): void {
    for (let open = current; open && open.#kind !== "asynchronous"; open = Scope.open(open.#outer)) {
      open.#isStranded = true;
    }
    current = undefined;
  }
}

const courseOfNow = (): Scope | undefined => (asynchronousScopes > 0 ? context.getStore() : undefined);
const asynchronous = (): Scope | undefined => Scope.open(courseOfNow());
const innermost = (): Scope | undefined =>
  current === undefined || current.isOfAnotherTask ? asynchronous() : current;

/** Promises go on where the synchronous code has ended: a block that is open then awaits something. */
function watch(): void {
  if (isWatched) return;
  isWatched = true;
  queueMicrotask(() => {
    isWatched = false;
    Scope.strand();
  });
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
  const scope = innermost();
  if (scope) scope.add(tensor);
  else leave(tensor);
  note(tensor);
}

/**
 * Runs `fn` and releases every tensor made in it, except the ones it returns (in arrays, maps and plain
 * objects too), kept ones, and what autograd needs. Scopes nest; a training step is one scope.
 *
 * An `async` function's scope ends with its promise. It goes along with the function's own course (`AsyncLocalStorage`), so
 * that tasks which overlap, requests of a server for instance, release each its own.
 *
 * @throws TorchError when `fn` returns a promise and is not declared `async`
 * @example const loss = scope(() => model.forward(x).mseLoss(y).item());
 * @example const answer = await scope(async () => (await load(url)).softmax(-1).tolist());
 */
export function scope<T>(fn: () => T): T {
  // Every realm and every loader's functions have the tag.
  const isAsync = (fn as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === "AsyncFunction";
  return isAsync ? (scopeOfPromise(fn as () => Promise<unknown>) as T) : scopeTaking([], fn);
}

async function scopeOfPromise<T>(fn: () => Promise<T>): Promise<T> {
  const inner = new Scope("asynchronous");
  asynchronousScopes += 1;
  try {
    return inner.release(await begin(inner, fn));
  } finally {
    inner[Symbol.dispose]();
    asynchronousScopes -= 1;
  }
}

/**
 * @internal Runs an asynchronous function like `scope`, but what it returns waits for `release`, whatever scope the caller
 * is in: the caller of a generator gets tensors that the generator takes back.
 */
export async function holding<T>(fn: () => Promise<T>): Promise<{ value: T; release: () => void }> {
  const held = new Scope("asynchronous");
  asynchronousScopes += 1;
  const release = (): void => held[Symbol.dispose]();
  try {
    return { value: await begin(held, () => scopeOfPromise(fn)), release };
  } catch (error) {
    release();
    throw error;
  } finally {
    asynchronousScopes -= 1;
  }
}

/** Runs the synchronous beginning of an asynchronous function, which is no part of the scopes around the call. */
function begin<T>(inner: Scope, fn: () => Promise<T>): Promise<T> {
  const outside = current;
  current = undefined;
  try {
    return context.run(inner, fn);
  } finally {
    Scope.strand();
    current = outside;
  }
}

/**
 * @internal What a callback returned; a promise is refused, because the rest of its work would run after `name` has ended.
 */
export function synchronous<T>(name: string, result: T): T {
  if (!(result instanceof Promise)) return result;
  result.catch(() => {}); // the error below is the one to report
  throw new TorchError(
    name === "scope"
      ? "scope() needs a synchronous function, or one that is declared async; this one returned a promise. Write scope(async () => …)."
      : `${name}() needs a synchronous function. Await first, and call ${name}() around what follows.`,
  );
}

/** @internal A scope that also releases these tensors, which the surrounding one would have released later. */
export function scopeTaking<T>(tensors: readonly (Scoped | null)[], fn: () => T): T {
  const inner = new Scope("call");
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

/** @internal Visits the tensors in arrays, maps, sets and objects. */
export function forEachTensor(
  value: unknown,
  visit: (tensor: Scoped) => void,
  seen = new Set<object>(),
): void {
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
