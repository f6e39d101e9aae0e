import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { described, isTensor, keep, native, scope, TorchError } from "../tensor/index.ts";
import { copyLike, hasLayout, layoutOf } from "./layout.ts";

/** Parameters with the settings that hold for them. */
export type ParameterGroup<Settings> = Settings & { readonly params: readonly Tensor[] };

/** What an optimizer is made with: parameters, or groups of them with settings of their own. */
export type Parameters<Settings> =
  | Iterable<Tensor>
  | readonly (Partial<Settings> & { params: Iterable<Tensor> })[];

/** All that an optimizer has to remember; `tensors` go into a safetensors file, the rest into JSON. */
export interface OptimizerState {
  /** Name of the optimizer's class. */
  readonly optimizer: string;
  /** Settings and number of parameters of each group. */
  readonly groups: readonly Readonly<Record<string, unknown>>[];
  /** By the parameter's position over all groups and a name, for example `3.expAvg`. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly numbers: Readonly<Record<string, number>>;
}

/** Parameters of one device and dtype with all that belongs to them: what one fused call takes. */
export interface Bucket<Name extends string> {
  readonly params: Tensor[];
  readonly grads: Tensor[];
  /** Whether this is a parameter's first step. */
  readonly isNew: boolean[];
  /** State tensors by their name. */
  readonly state: Readonly<Record<Name, Tensor[]>>;
}

/** A parameter's state with what it was made for. */
interface Entry {
  device: string;
  dtype: string;
  layout: string;
  readonly tensors: Record<string, Tensor>;
}

/**
 * What optimizers have in common: groups of parameters, a learning rate, state by parameter.
 *
 * State tensors have the shape of their parameter, begin at zero where nothing else is said, and live as long as the optimizer does.
 */
export abstract class Optimizer<Settings extends { lr: number }, Name extends string> {
  /** The parameters with their settings, which may be changed between steps. */
  readonly groups: readonly ParameterGroup<Settings>[];
  readonly #state = new Map<Tensor, Entry>();
  /** Learning rates of the groups in relation to the first one's. */
  readonly #ratios: readonly number[];

  /** @throws TorchError for no parameters, one that occurs twice or is no leaf, or a negative learning rate */
  constructor(parameters: Parameters<Settings>, defaults: Settings) {
    this.groups = groupsOf(new.target.name, parameters, defaults);
    const seen = new Set<Tensor>();
    for (const { params, lr } of this.groups) {
      if (!(lr >= 0)) throw new TorchError(`${new.target.name}: lr is ${lr}. Choose a number from 0 on.`);
      for (const parameter of params) {
        if (seen.has(parameter))
          throw new TorchError(`${new.target.name}: a parameter occurs twice. List each once.`);
        if (!parameter.isLeaf) {
          const problem = `a parameter of shape [${parameter.shape}] was made by ${parameter.gradFn}`;
          throw new TorchError(
            `${new.target.name}: ${problem}. Only leaves can be trained: detach it first.`,
          );
        }
        seen.add(parameter);
      }
    }
    if (seen.size === 0)
      throw new TorchError(`${new.target.name}: there are no parameters. Pass model.parameters().`);
    const first = this.groups[0]!.lr;
    this.#ratios = this.groups.map(({ lr }) => (first === 0 ? 1 : lr / first));
  }

  /**
   * The learning rate of the first group. Setting it keeps the ratios that the groups had at the beginning.
   * @throws TorchError for a negative one or NaN, which would spoil the parameters
   */
  get lr(): number {
    return this.groups[0]!.lr;
  }

  set lr(value: number) {
    if (!(value >= 0))
      throw new TorchError(`${this.constructor.name}: lr is ${value}. Choose a number from 0 on.`);
    this.groups.forEach((group, i) => {
      (group as { lr: number }).lr = value * this.#ratios[i]!;
    });
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const { params } of this.groups) for (const parameter of params) parameter.grad = null;
  }

  /** Settings, counters and state tensors: those that are kept are the optimizer's own, not copies. */
  stateDict(): OptimizerState {
    const tensors = new Map<string, Tensor>();
    this.parameters().forEach((parameter, i) => {
      const entry = this.#state.get(parameter);
      for (const [name, tensor] of Object.entries(entry?.tensors ?? {})) tensors.set(`${i}.${name}`, tensor);
    });
    return {
      optimizer: this.constructor.name,
      groups: this.groups.map(({ params, ...settings }) => ({ ...settings, params: params.length })),
      tensors: Object.fromEntries(tensors),
      numbers: {},
    };
  }

  /**
   * Goes on where the optimizer stood whose state this is.
   * @throws TorchError when kind, groups or shapes do not fit; nothing is changed then
   */
  loadStateDict(given: OptimizerState): void {
    const fail = (problem: string): never => {
      const remedy = "Make the optimizer as it was made when its state was saved.";
      throw new TorchError(`${this.constructor.name}.loadStateDict: ${problem}. ${remedy}`);
    };
    if (given.optimizer !== this.constructor.name) fail(`the state is of ${given.optimizer}`);
    const counts = (groups: readonly { params: unknown }[]) => groups.map(({ params }) => params).join(", ");
    const own = counts(this.groups.map(({ params }) => ({ params: params.length })));
    const others = counts(given.groups as readonly { params: unknown }[]);
    if (own !== others) fail(`the state has groups of ${others} parameters, this optimizer of ${own}`);
    const parameters = this.parameters();
    const settings = this.groups.flatMap((group, i) =>
      group.params.map(() => ({ ...group, ...given.groups[i] })),
    );
    const lacking = this.#lackingTensors(given, settings);
    if (lacking.length > 0) fail(`the state lacks ${lacking.map((key) => `"${key}"`).join(", ")}`);
    const records = new Map<Tensor, Record<string, Tensor>>();
    for (const [key, tensor] of Object.entries(given.tensors)) {
      const match = /^(\d+)\.(\w+)$/.exec(key);
      if (!match) continue; // state beyond that of single parameters
      const name = match[2] as Name;
      const index = Number(match[1]);
      const parameter = parameters[index];
      if (!parameter) fail(`the state has a tensor "${key}", but there are ${parameters.length} parameters`);
      else if (!this.stateNames(settings[index]!).includes(name)) continue;
      else if (`${tensor.shape}` !== `${parameter.shape}`) {
        fail(`"${key}" has the shape [${tensor.shape}], its parameter [${parameter.shape}]`);
      } else records.set(parameter, { ...records.get(parameter), [name]: tensor });
    }
    this.groups.forEach((group, i) => {
      const { params: _, ...settings } = given.groups[i]!;
      Object.assign(group, settings);
    });
    this.#clear();
    noGrad(() =>
      scope(() => {
        for (const [parameter, record] of records) {
          const copies = Object.entries(record).map(([name, tensor]) => [
            name,
            keep(copyLike(tensor, parameter)),
          ]);
          const { device, dtype } = parameter;
          const layout = layoutOf(parameter);
          this.#state.set(parameter, { device, dtype, layout, tensors: Object.fromEntries(copies) });
        }
      }),
    );
  }

  /** Names of the state tensors of a parameter in a group of these settings. */
  protected abstract stateNames(settings: Settings): readonly Name[];

  /** The same as they are saved: what has another shape than the parameter may be among them. */
  protected savedNames(settings: Settings): readonly string[] {
    return this.stateNames(settings);
  }

  /** A state tensor before the first step. */
  protected initialState(parameter: Tensor, _settings: Settings): Tensor {
    return parameter.detach().zerosLike();
  }

  /** What is not there for parameters that have some state; one that never had a gradient has none. */
  #lackingTensors({ tensors }: OptimizerState, settings: readonly Settings[]): string[] {
    const begun = new Set(Object.keys(tensors).map((key) => key.split(".")[0]));
    return settings
      .flatMap((ofParameter, i) =>
        begun.has(`${i}`) ? this.savedNames(ofParameter).map((name) => `${i}.${name}`) : [],
      )
      .filter((key) => !Object.hasOwn(tensors, key));
  }

  /** Releases the state's memory now. */
  dispose(): void {
    this.#clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The group's parameters that have gradients, in buckets, with their state. */
  protected buckets(group: ParameterGroup<Settings>): Bucket<Name>[] {
    const names = this.stateNames(group);
    const buckets = new Map<string, Bucket<Name>>();
    for (const parameter of group.params) {
      const gradient = parameter.grad;
      if (!gradient) continue;
      const { device, dtype } = parameter;
      const layout = layoutOf(parameter);
      let bucket = buckets.get(device + dtype);
      if (!bucket) {
        const state = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
          Name,
          Tensor[]
        >;
        bucket = { params: [], grads: [], isNew: [], state };
        buckets.set(device + dtype, bucket);
      }
      bucket.params.push(parameter);
      bucket.grads.push(hasLayout(gradient, layout) ? gradient : this.#aligned(gradient, parameter, layout));
      bucket.isNew.push(!this.#state.has(parameter));
      const tensors = this.#stateOf(parameter, { device, dtype, layout });
      for (const name of names) {
        tensors[name] ??= keep(this.initialState(parameter, group));
        bucket.state[name].push(tensors[name]);
      }
    }
    for (const bucket of buckets.values()) this.#checkSizes(bucket);
    return [...buckets.values()];
  }

  /** Fused operators walk through gradients and state by the parameter's size, and look at no other. */
  #checkSizes({ params, grads, state }: Bucket<Name>): void {
    const position = native.differingSizes([params, grads, ...Object.values<Tensor[]>(state)]);
    if (position < 0) return;
    const problem = `a parameter has the shape [${params[position]!.shape}], but its gradient or state has another size`;
    throw new TorchError(
      `${this.constructor.name}: ${problem}. Make a new optimizer after changing a parameter's size.`,
    );
  }

  /** All parameters, in the order of the groups. */
  protected parameters(): Tensor[] {
    return this.groups.flatMap(({ params }) => params);
  }

  /** A parameter's state tensors, brought to its dtype, device and layout where these changed since the last step. */
  #stateOf(
    parameter: Tensor,
    place: { device: string; dtype: string; layout: string },
  ): Record<string, Tensor> {
    const known = this.#state.get(parameter);
    if (!known) {
      const entry = { ...place, tensors: {} };
      this.#state.set(parameter, entry);
      return entry.tensors;
    }
    if (known.layout !== place.layout || known.dtype !== place.dtype || known.device !== place.device) {
      for (const [name, tensor] of Object.entries(known.tensors)) {
        known.tensors[name] = keep(copyLike(tensor, parameter));
        tensor.dispose();
      }
      Object.assign(known, place);
    }
    return known.tensors;
  }

  /** The gradient in its parameter's layout: fused operators walk through the memory of both. */
  #aligned(gradient: Tensor, parameter: Tensor, layout: string): Tensor {
    const copy = copyLike(gradient, parameter);
    if (hasLayout(copy, layout)) return copy;
    const problem = `a parameter of shape [${parameter.shape}] has gaps or overlaps in memory`;
    throw new TorchError(`${this.constructor.name}: ${problem}. Make it from a contiguous tensor.`);
  }

  #clear(): void {
    for (const { tensors } of this.#state.values())
      for (const tensor of Object.values(tensors)) tensor.dispose();
    this.#state.clear();
  }
}

/** @internal Refuses a setting that is negative or no number. */
export function checkNotNegative(optimizer: string, settings: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (value >= 0) continue;
    throw new TorchError(`${optimizer}: ${name} is ${value}. Choose a number from 0 on.`);
  }
}

function groupsOf<Settings>(
  name: string,
  parameters: Parameters<Settings>,
  defaults: Settings,
): ParameterGroup<Settings>[] {
  const items = itemsOf(name, parameters) as (Tensor | (Partial<Settings> & { params: Iterable<Tensor> }))[];
  const groups = items.filter(
    (item): item is Partial<Settings> & { params: Iterable<Tensor> } => !isTensor(item) && "params" in item,
  );
  if (groups.length === 0) return [{ ...defaults, params: items as Tensor[] }];
  if (groups.length < items.length)
    throw new TorchError("Parameters and groups are mixed. Pass either of them.");
  return groups.map((group) => {
    const given = Object.fromEntries(Object.entries(group).filter(([, value]) => value !== undefined));
    return { ...defaults, ...given, params: itemsOf(name, group.params) as Tensor[] };
  });
}

/** The tensors or groups of an iterable; what people pass in their place gets the right call. */
function itemsOf(name: string, given: unknown): object[] {
  const fail = (problem: string): never => {
    throw new TorchError(`${name}: ${problem} Pass model.parameters(), or groups { params: […] }.`);
  };
  const isObject = typeof given === "object" && given !== null;
  if (isObject && "parameters" in given) return fail("a module is no list of parameters.");
  if (!isObject || isTensor(given) || !(Symbol.iterator in given))
    return fail(`${described(given)} is no list of parameters.`);
  const items = [...(given as Iterable<unknown>)];
  for (const item of items) {
    if (Array.isArray(item) && isTensor(item[1]))
      return fail("pairs of names and parameters cannot be trained.");
    const isGroup = typeof item === "object" && item !== null && "params" in item;
    if (!isTensor(item) && !isGroup) return fail(`${described(item)} is no parameter.`);
  }
  return items as object[];
}
