import type { Tensor } from "../tensor/index.ts";
import { TorchError } from "../tensor/index.ts";
import { type AnyModule, type Member, Module } from "./module.ts";
import { parameter } from "./parameter.ts";

/** Modules one after the other, each given the output of the one before; keys are "0", "1", … */
export class Sequential extends Module {
  readonly #layers: readonly Module[];

  /** @example new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 2)) */
  constructor(...layers: readonly Module[]) {
    super();
    this.#layers = layers;
  }

  get length(): number {
    return this.#layers.length;
  }

  /** The module at a position; negative ones count from the end. */
  at(position: number): Module {
    return itemAt(this.#layers, position, "Sequential");
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#layers[Symbol.iterator]();
  }

  forward(x: Tensor): Tensor {
    return this.#layers.reduce((input, layer) => layer.forward(input), x);
  }

  protected override members(): Member[] {
    return [...super.members(), ...this.#layers.map((layer, i): Member => [String(i), layer])];
  }
}

/** Modules in a list, to be used one by one; keys are "0", "1", … A plain array as a property does the same. */
export class ModuleList<M extends AnyModule = Module> extends Module<never[], never> {
  readonly #items: M[];

  constructor(items: readonly M[] = []) {
    super();
    this.#items = listOf("ModuleList", "modules", items);
  }

  get length(): number {
    return this.#items.length;
  }

  /** The module at a position; negative ones count from the end. */
  at(position: number): M {
    return itemAt(this.#items, position, "ModuleList");
  }

  /** Adds a module at the end. */
  push(item: M): this {
    this.#items.push(item);
    return this;
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#items[Symbol.iterator]();
  }

  /** @throws TorchError always: a list does not know how its modules are connected */
  forward(): never {
    throw new TorchError("A ModuleList has no forward. Call the forward of its modules, or use Sequential.");
  }

  protected override members(): Member[] {
    return [...super.members(), ...this.#items.map((item, i): Member => [String(i), item])];
  }
}

/** Modules by name, to be used one by one. */
export class ModuleDict<M extends AnyModule = Module> extends Module<never[], never> {
  readonly #items: Map<string, M>;

  /** @example new nn.ModuleDict({ photo: new nn.Linear(64, 8), words: new nn.Linear(32, 8) }) */
  constructor(items: Readonly<Record<string, M>> = {}) {
    super();
    this.#items = new Map();
    for (const [name, item] of Object.entries(items)) this.set(name, item);
  }

  get size(): number {
    return this.#items.size;
  }

  has(name: string): boolean {
    return this.#items.has(name);
  }

  /** @throws TorchError where there is none of that name */
  get(name: string): M {
    return itemOf(this.#items, name, "ModuleDict");
  }

  /** Adds a module, or puts it in another's place. @throws TorchError for a name that cannot be a part of a key */
  set(name: string, item: M): this {
    this.#items.set(checkedName(name, "ModuleDict"), item);
    return this;
  }

  delete(name: string): boolean {
    return this.#items.delete(name);
  }

  [Symbol.iterator](): Iterator<[string, M]> {
    return this.#items[Symbol.iterator]();
  }

  /** @throws TorchError always: a dictionary does not know how its modules are connected */
  forward(): never {
    throw new TorchError("A ModuleDict has no forward. Call the forward of its modules.");
  }

  protected override members(): Member[] {
    return [...super.members(), ...this.#items];
  }
}

/** Parameters in a list; keys are "0", "1", … Other tensors are made parameters. */
export class ParameterList extends Module<never[], never> {
  readonly #items: Tensor[] = [];

  constructor(items: readonly Tensor[] = []) {
    super();
    for (const item of listOf("ParameterList", "parameters", items)) this.push(item);
  }

  get length(): number {
    return this.#items.length;
  }

  /** The parameter at a position; negative ones count from the end. */
  at(position: number): Tensor {
    return itemAt(this.#items, position, "ParameterList", "parameters");
  }

  /** Adds a parameter at the end. */
  push(item: Tensor): this {
    this.#items.push(item.isParameter ? item : parameter(item));
    return this;
  }

  [Symbol.iterator](): Iterator<Tensor> {
    return this.#items[Symbol.iterator]();
  }

  /** @throws TorchError always */
  forward(): never {
    throw new TorchError("A ParameterList has no forward. Compute with its parameters.");
  }

  protected override members(): Member[] {
    return [...super.members(), ...this.#items.map((item, i): Member => [String(i), item])];
  }
}

/** Parameters by name. Other tensors are made parameters. */
export class ParameterDict extends Module<never[], never> {
  readonly #items = new Map<string, Tensor>();

  constructor(items: Readonly<Record<string, Tensor>> = {}) {
    super();
    for (const [name, item] of Object.entries(items)) this.set(name, item);
  }

  get size(): number {
    return this.#items.size;
  }

  has(name: string): boolean {
    return this.#items.has(name);
  }

  /** @throws TorchError where there is none of that name */
  get(name: string): Tensor {
    return itemOf(this.#items, name, "ParameterDict");
  }

  /** Adds a parameter, or puts it in another's place. @throws TorchError for a name that cannot be a part of a key */
  set(name: string, item: Tensor): this {
    this.#items.set(checkedName(name, "ParameterDict"), item.isParameter ? item : parameter(item));
    return this;
  }

  delete(name: string): boolean {
    return this.#items.delete(name);
  }

  [Symbol.iterator](): Iterator<[string, Tensor]> {
    return this.#items[Symbol.iterator]();
  }

  /** @throws TorchError always */
  forward(): never {
    throw new TorchError("A ParameterDict has no forward. Compute with its parameters.");
  }

  protected override members(): Member[] {
    return [...super.members(), ...this.#items];
  }
}

function itemAt<T>(items: readonly T[], position: number, list: string, what = "modules"): T {
  const item = items.at(position);
  if (item !== undefined && Number.isInteger(position)) return item;
  throw new TorchError(
    `${list}.at(${position}): there are ${items.length} ${what}. Use -${items.length} … ${items.length - 1}.`,
  );
}

function itemOf<T>(items: ReadonlyMap<string, T>, name: string, dict: string): T {
  const item = items.get(name);
  if (item !== undefined) return item;
  throw new TorchError(`${dict}.get("${name}"): there are ${[...items.keys()].join(", ") || "none"}.`);
}

/** A name becomes a part of a state dict's keys as it is. */
function checkedName(name: string, dict: string): string {
  if (name !== "" && !name.includes(".")) return name;
  throw new TorchError(`${dict}: "${name}" cannot name a part of a module. Use a name without dots.`);
}

function listOf<T>(name: string, of: string, items: readonly T[]): T[] {
  if (Array.isArray(items)) return [...items];
  throw new TorchError(`${name}: ${String(items)} is no array of ${of}. Put them into one: [first, second].`);
}
