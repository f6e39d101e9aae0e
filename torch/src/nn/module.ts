import { noGrad } from "../autograd.ts";
import type { Device, DType, MemoryFormat } from "../tensor/index.ts";
import { scope, Tensor, TorchError } from "../tensor/index.ts";
import {
  addHook,
  type BackwardHook,
  type BackwardPreHook,
  type ForwardHook,
  type ForwardPreHook,
  type HookHandle,
} from "./hooks.ts";
import { keyOf } from "./names.ts";
import { isPersistent } from "./parameter.ts";
import { copyState, type LoadOptions, type LoadReport, type StateDict } from "./state-dict.ts";
import { treeOf } from "./tree.ts";

/** A module of any signature. */
export type AnyModule = Module<never[], unknown>;

/** A module, parameter or buffer with its key. */
export type Member = [key: string, member: AnyModule | Tensor];

export interface ModuleTarget {
  device?: Device;
  /** For floating and complex parameters and buffers; whole numbers and booleans stay what they are. */
  dtype?: DType;
  /** "channelsLast" applies to tensors of 4 dimensions, "channelsLast3d" to those of 5. */
  memoryFormat?: MemoryFormat;
}

/**
 * A network or a part of one: parameters, buffers and modules in its properties, and `forward`.
 *
 * Every enumerable property that is a module, a parameter, a buffer or an array of these belongs to the module; a
 * `#private` one does not, and in a Map, a Set or a plain object they are refused, because they would never be trained. State-dict keys are the property paths in snake_case, which are PyTorch's keys:
 * `downBlocks[0].conv1.weight` -> `down_blocks.0.conv1.weight`.
 *
 * @example
 * class Mlp extends nn.Module {
 *   readonly hidden = new nn.Linear(784, 128);
 *   readonly out = new nn.Linear(128, 10);
 *   forward(x: Tensor): Tensor {
 *     return this.out.forward(this.hidden.forward(x).relu()); // [B, 784] -> [B, 10]
 *   }
 * }
 */
export abstract class Module<Args extends unknown[] = [Tensor], Out = Tensor> {
  /** Whether layers such as Dropout and BatchNorm behave as in training; set by `train` and `eval`. */
  training = true;

  /** Computes the module's output. */
  abstract forward(...args: Args): Out;

  /** The direct parameters, buffers and modules with their keys, in the order of the properties. */
  protected members(): Member[] {
    const members: Member[] = [];
    for (const [property, value] of Object.entries(this)) {
      if (typeof value !== "object" || value === null) continue;
      collect(members, keyOf(property), value);
      refuseHidden(this, property, value);
    }
    return members;
  }

  /** The direct modules with their keys, each once; those in arrays have "layers.0". */
  namedChildren(): [key: string, child: AnyModule][] {
    const found = new Map<AnyModule, string>();
    for (const [key, member] of this.members())
      if (member instanceof Module && !found.has(member)) found.set(member, key);
    return [...found].map(([child, key]) => [key, child]);
  }

  /** The direct modules, each once. */
  children(): AnyModule[] {
    return this.namedChildren().map(([, child]) => child);
  }

  /**
   * Calls a function with every module, those below before those above them.
   * @example model.apply((module) => { if (module instanceof nn.Linear) nn.init.xavierUniform_(module.weight); });
   */
  apply(fn: (module: AnyModule) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  /** Calls `hook(module, args)` before `forward`; an array that it returns are the arguments instead. */
  registerForwardPreHook<M extends AnyModule>(this: M, hook: ForwardPreHook<M>): HookHandle {
    return addHook(this, "forwardPre", hook);
  }

  /** Calls `hook(module, args, output)` after `forward`; what it returns, if anything, is the output instead. */
  registerForwardHook<M extends AnyModule>(this: M, hook: ForwardHook<M>): HookHandle {
    return addHook(this, "forward", hook);
  }

  /**
   * Calls `hook(module, gradOutput)` in `backward`, before the gradients of the outputs go through the module; an array
   * that it returns goes instead.
   */
  registerFullBackwardPreHook<M extends AnyModule>(this: M, hook: BackwardPreHook<M>): HookHandle {
    return addHook(this, "backwardPre", hook);
  }

  /**
   * Calls `hook(module, gradInput, gradOutput)` in `backward`, when the gradients of the arguments are there; an array
   * that it returns goes on instead. There is one gradient for each argument and each output, null for what is no tensor
   * or needs none; where no argument needs one, it is called with those of the outputs. What the hook makes is released
   * after it, unless it returns or keeps it. What passes a module with such a
   * hook cannot be changed in place.
   */
  registerFullBackwardHook<M extends AnyModule>(this: M, hook: BackwardHook<M>): HookHandle {
    return addHook(this, "backward", hook);
  }

  /** This module and all below it, each once, with the paths to them ("" for this one). */
  namedModules(): [path: string, module: AnyModule][] {
    const found = new Map<AnyModule, string>();
    const visit = (path: string, module: AnyModule): void => {
      if (found.has(module)) return;
      found.set(module, path);
      for (const [key, member] of module.members())
        if (member instanceof Module) visit(join(path, key), member);
    };
    visit("", this);
    return [...found].map(([module, path]) => [path, module]);
  }

  /** This module and all below it, each once. */
  modules(): AnyModule[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** The parameters with their state-dict keys; one that occurs twice is listed under its first key. */
  namedParameters(): [key: string, parameter: Tensor][] {
    return this.#tensors().filter(([, tensor]) => tensor.isParameter);
  }

  /** The parameters, each once: what an optimizer is made with. */
  parameters(): Tensor[] {
    return this.namedParameters().map(([, tensor]) => tensor);
  }

  /** The buffers with their state-dict keys, those that are not saved too. */
  namedBuffers(): [key: string, buffer: Tensor][] {
    return this.#tensors().filter(([, tensor]) => !tensor.isParameter);
  }

  /** The buffers, each once. */
  buffers(): Tensor[] {
    return this.namedBuffers().map(([, tensor]) => tensor);
  }

  /**
   * Parameters and persistent buffers by key: the module's own tensors, not copies.
   * @throws TorchError where a module contains itself, or two properties have the same key
   */
  stateDict(): StateDict {
    const state = new Map<string, Tensor>();
    const visit = (path: string, module: AnyModule, above: readonly AnyModule[]): void => {
      if (above.includes(module)) refuseCircle(path, module);
      for (const [key, member] of ownTensorsFirst(module.members())) {
        const full = join(path, key);
        if (member instanceof Module) visit(full, member, [...above, module]);
        else if (isPersistent(member)) {
          if (state.has(full)) refuseCollision(full);
          state.set(full, member);
        }
      }
    };
    visit("", this, []);
    return Object.fromEntries(state);
  }

  /**
   * Copies a state dict into the module, converting dtypes and devices. All keys and shapes are checked before
   * anything is copied.
   *
   * @throws StateDictError listing missing, unexpected and mismatched keys together; without `strict`, for
   *   mismatched shapes only
   */
  loadStateDict(state: StateDict, { strict = true }: LoadOptions = {}): LoadReport {
    return copyState(this.constructor.name, this.stateDict(), state, strict);
  }

  /**
   * Moves or converts the parameters, their gradients and the buffers, in place: optimizers keep their hold on them.
   * @throws TorchError for a dtype that is neither floating nor complex
   */
  to(target: Device | DType | ModuleTarget): this {
    const resolved = typeof target === "string" ? parseTarget(target) : target;
    if (resolved.dtype !== undefined && !/^(b?float|complex)/.test(resolved.dtype)) {
      throw new TorchError(
        `Module.to(): ${resolved.dtype} cannot hold parameters. Use a floating or complex dtype.`,
      );
    }
    for (const [, tensor] of this.#tensors()) convert(tensor, resolved);
    return this;
  }

  /** Puts this module and all below it into training mode, or with `false` out of it. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Puts this module and all below it into evaluation mode. */
  eval(): this {
    return this.train(false);
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const tensor of this.parameters()) tensor.grad = null;
  }

  /** Makes all parameters trainable, or with `false` freezes them. */
  requiresGrad_(flag = true): this {
    for (const tensor of this.parameters()) tensor.requiresGrad = flag;
    return this;
  }

  /** Releases the memory of all parameters and buffers now; the module cannot be used afterwards. */
  dispose(): void {
    for (const [, tensor] of this.#tensors()) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The tree of its modules with their settings and numbers of parameters. */
  toString(): string {
    return treeOf(this);
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return treeOf(this);
  }

  /** The parameters and buffers of all modules, each once, under their first key. */
  #tensors(): [string, Tensor][] {
    const found = new Map<Tensor, string>();
    for (const [path, module] of this.namedModules()) {
      for (const [key, member] of module.members()) {
        if (member instanceof Tensor && !found.has(member)) found.set(member, join(path, key));
      }
    }
    return [...found].map(([tensor, key]) => [key, tensor]);
  }
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function collect(members: Member[], key: string, value: unknown): void {
  if (isMember(value)) {
    members.push([key, value]);
  } else if (Array.isArray(value)) {
    value.forEach((item, i) => void collect(members, `${key}.${i}`, item));
  }
}

/** PyTorch's order of a state dict: a module's own tensors, then those of the modules in it. */
function ownTensorsFirst(members: Member[]): Member[] {
  const isTensor = ([, member]: Member) => member instanceof Tensor;
  return [...members.filter(isTensor), ...members.filter((member) => !isTensor(member))];
}

const isMember = (value: unknown): value is AnyModule | Tensor =>
  value instanceof Module || (value instanceof Tensor && (value.isParameter || value.isBuffer));

/** A member in a container whose order or keys nobody has decided would be left out of training and of the state. */
function refuseHidden(module: AnyModule, property: string, value: object): void {
  const container = hidingPlace(value, undefined, MOST_NESTED);
  if (container === undefined) return;
  throw new TorchError(
    `${module.constructor.name}.${property}: modules or parameters in ${container} would not be trained, moved or saved. ` +
      "Give each a property, put them into an array or an nn container, or into a #private field where they belong to another module.",
  );
}

/** How deep containers within containers are looked through; what refers to itself has no end. */
const MOST_NESTED = 8;

/** The innermost Map, Set or plain object around a member; undefined where none is in one. */
function hidingPlace(value: unknown, container: string | undefined, depth: number): string | undefined {
  if (typeof value !== "object" || value === null || depth === 0) return undefined;
  if (isMember(value)) return container;
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  const isList = Array.isArray(value);
  let items: Iterable<unknown>;
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) items = value.values();
  else if (isPlain) items = Object.values(value);
  else return undefined;
  const inside = isList ? container : isPlain ? "a plain object" : `a ${value.constructor.name}`;
  for (const item of items) {
    const found = hidingPlace(item, inside, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function refuseCircle(path: string, module: AnyModule): never {
  throw new TorchError(
    `"${path}" is a ${module.constructor.name} that contains itself. Keep references upwards in a #private field.`,
  );
}

function refuseCollision(key: string): never {
  throw new TorchError(
    `Two tensors have the key "${key}": names in camelCase and in snake_case give the same one. Rename a property.`,
  );
}

function parseTarget(target: string): ModuleTarget {
  return /^(cpu|cuda|mps|xpu|meta)(:\d+)?$/.test(target) ? { device: target } : { dtype: target as DType };
}

function convert(tensor: Tensor, { device, dtype, memoryFormat }: ModuleTarget): void {
  const dimensions = memoryFormat === "channelsLast" ? 4 : memoryFormat === "channelsLast3d" ? 5 : undefined;
  const target = {
    device,
    dtype: tensor.isFloatingPoint() || tensor.isComplex() ? dtype : undefined,
    memoryFormat: dimensions === undefined || tensor.ndim === dimensions ? memoryFormat : undefined,
  };
  if (Object.values(target).every((value) => value === undefined)) return;
  noGrad(() =>
    scope(() => {
      const gradient = tensor.grad;
      tensor.setData(tensor.detach().to(target));
      if (gradient) tensor.grad = gradient.to(target);
    }),
  );
}
