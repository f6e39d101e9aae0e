import { customFunction, isGradEnabled } from "../autograd.ts";
import { isTensor, type Tensor, TorchError } from "../tensor/index.ts";
import type { AnyModule } from "./module.ts";

/** Gradients of tensors; null for values that are none, and for tensors that need none. */
export type Gradients = readonly (Tensor | null)[];

/** Called before `forward`; what it returns are the arguments instead. */
export type ForwardPreHook<M extends AnyModule> = (
  module: M,
  args: Parameters<M["forward"]>,
) => readonly unknown[] | undefined;
/** Called after `forward`; what it returns is the output instead. */
export type ForwardHook<M extends AnyModule> = (
  module: M,
  args: Parameters<M["forward"]>,
  output: ReturnType<M["forward"]>,
) => ReturnType<M["forward"]> | undefined;
/** Called with the gradients of the outputs, before they go through the module; what it returns goes instead. */
export type BackwardPreHook<M extends AnyModule> = (
  module: M,
  gradOutput: Gradients,
) => Gradients | undefined;
/** Called with the gradients of the arguments and of the outputs; what it returns goes on instead of the former. */
export type BackwardHook<M extends AnyModule> = (
  module: M,
  gradInput: Gradients,
  gradOutput: Gradients,
) => Gradients | undefined;

/** What a module's hooks are, in the order in which they were registered. */
interface Hooks {
  readonly forwardPre: Set<(module: AnyModule, args: readonly unknown[]) => readonly unknown[] | undefined>;
  readonly forward: Set<(module: AnyModule, args: readonly unknown[], output: unknown) => unknown>;
  readonly backwardPre: Set<BackwardPreHook<AnyModule>>;
  readonly backward: Set<BackwardHook<AnyModule>>;
}

type Forward = (...args: readonly unknown[]) => unknown;

const hooksOf = new WeakMap<AnyModule, Hooks>();

/** Takes a hook away again; `using` does it at the end of a block. */
export class HookHandle implements Disposable {
  readonly #remove: () => void;

  /** @internal */
  constructor(remove: () => void) {
    this.#remove = remove;
  }

  /** A second call does nothing. */
  remove(): void {
    this.#remove();
  }

  [Symbol.dispose](): void {
    this.#remove();
  }
}

/**
 * @internal A module without hooks is called as if there were none: its `forward` is put behind another one with its
 * first hook, and comes back with the removal of the last.
 */
export function addHook<Kind extends keyof Hooks>(
  module: AnyModule,
  kind: Kind,
  hook: (...args: never[]) => unknown,
): HookHandle {
  const hooks = hooksOf.get(module) ?? install(module);
  const entry = (...args: never[]): unknown => hook(...args); // the same hook may come twice
  const entries = hooks[kind] as Set<(...args: never[]) => unknown>;
  entries.add(entry);
  return new HookHandle(() => {
    const isLast = entries.delete(entry) && Object.values(hooks).every(({ size }) => size === 0);
    if (isLast) uninstall(module);
  });
}

const ownForward = new WeakMap<AnyModule, PropertyDescriptor>();

function install(module: AnyModule): Hooks {
  const hooks: Hooks = {
    forwardPre: new Set(),
    forward: new Set(),
    backwardPre: new Set(),
    backward: new Set(),
  };
  const original = module.forward as Forward;
  const own = Object.getOwnPropertyDescriptor(module, "forward");
  if (own) ownForward.set(module, own);
  const hooked = (...args: readonly unknown[]): unknown => run(module, original, hooks, args);
  Object.defineProperty(module, "forward", { value: hooked, configurable: true, writable: true });
  hooksOf.set(module, hooks);
  return hooks;
}

function uninstall(module: AnyModule): void {
  const own = ownForward.get(module);
  if (own) Object.defineProperty(module, "forward", own);
  else Reflect.deleteProperty(module, "forward");
  ownForward.delete(module);
  hooksOf.delete(module);
}

function run(module: AnyModule, original: Forward, hooks: Hooks, given: readonly unknown[]): unknown {
  let args = given;
  for (const hook of hooks.forwardPre) args = hook(module, args) ?? args;
  if (!Array.isArray(args)) {
    throw new TorchError(
      `A forward pre-hook of ${module.constructor.name} returned something other than the list of arguments. Return an array, or nothing.`,
    );
  }
  const hasBackward = hooks.backward.size + hooks.backwardPre.size > 0 && isGradEnabled();
  const watch = hasBackward ? new BackwardWatch(module, hooks) : undefined;
  if (watch) args = watch.inputs(args);
  let output = original.apply(module, args as unknown[]);
  for (const hook of hooks.forward) output = hook(module, args, output) ?? output;
  return watch ? watch.outputs(output) : output;
}

/**
 * Lets the gradients of one call pass by the module's backward hooks, as PyTorch's BackwardHook does: identities around
 * the module, whose backward passes are where the hooks run.
 */
class BackwardWatch {
  readonly #module: AnyModule;
  readonly #hooks: Hooks;
  #inputs = 0;
  #watchesInputs = false;
  #gradOutput: Gradients | undefined;

  constructor(module: AnyModule, hooks: Hooks) {
    this.#module = module;
    this.#hooks = hooks;
  }

  inputs(args: readonly unknown[]): readonly unknown[] {
    this.#inputs = args.length;
    this.#watchesInputs = args.some(requiresGrad);
    return passing(args, (gradInput) => {
      const gradOutput = this.#gradOutput;
      if (!gradOutput) return gradInput; // it came past the outputs, as in a second differentiation
      this.#gradOutput = undefined;
      return this.#told(gradInput, gradOutput);
    });
  }

  outputs(output: unknown): unknown {
    const list = Array.isArray(output) ? output : [output];
    const watched = passing(list, (given) => {
      let gradOutput = given;
      for (const hook of this.#hooks.backwardPre) {
        gradOutput = replaced(gradOutput, hook(this.#module, gradOutput), this.#module);
      }
      if (this.#watchesInputs) this.#gradOutput = gradOutput;
      else this.#told(new Array<null>(this.#inputs).fill(null), gradOutput);
      return gradOutput;
    });
    return Array.isArray(output) ? watched : watched[0];
  }

  #told(gradInput: Gradients, gradOutput: Gradients): Gradients {
    let gradients = gradInput;
    for (const hook of this.#hooks.backward) {
      gradients = replaced(gradients, hook(this.#module, gradients, gradOutput), this.#module);
    }
    return gradients;
  }
}

const requiresGrad = (value: unknown): value is Tensor =>
  typeof value === "object" && value !== null && isTensor(value) && value.requiresGrad;

/** The values, those that require gradients through an identity; `change` gets and gives a gradient for each value. */
function passing(values: readonly unknown[], change: (gradients: Gradients) => Gradients): unknown[] {
  const tensors = values.filter(requiresGrad);
  if (tensors.length === 0) return [...values];
  const places = values.flatMap((value, place) => (requiresGrad(value) ? [place] : []));
  const passed = customFunction(
    {
      forward: (...inputs: Tensor[]) => inputs,
      backward: (...gradients) => {
        const all: (Tensor | null)[] = values.map(() => null);
        for (const [i, place] of places.entries()) all[place] = gradients[i] ?? null;
        const changed = change(all);
        return places.map((place) => changed[place] ?? null);
      },
    },
    ...tensors,
  );
  const result = [...values];
  for (const [i, place] of places.entries()) result[place] = passed[i];
  return result;
}

function replaced(before: Gradients, after: Gradients | undefined, module: AnyModule): Gradients {
  if (after === undefined) return before;
  if (Array.isArray(after) && after.length === before.length) return after;
  throw new TorchError(
    `A backward hook of ${module.constructor.name} must return nothing or ${before.length} gradients in an array, null where there is none.`,
  );
}
