import type { Tensor } from "../tensor/index.ts";
import { TorchError } from "../tensor/index.ts";
import { type AnyModule, type Member, Module } from "./module.ts";

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
    this.#items = [...items];
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

function itemAt<T>(items: readonly T[], position: number, list: string): T {
  const item = items.at(position);
  if (item !== undefined && Number.isInteger(position)) return item;
  throw new TorchError(
    `${list}.at(${position}): there are ${items.length} modules. Use -${items.length} … ${items.length - 1}.`,
  );
}
