import type { Tensor, TypedArray } from "./tensor/index.ts";
import {
  defaultGenerator,
  fromTyped,
  full,
  type Generator,
  hearDraws,
  isTensor,
  native,
  scope,
  scopeTaking,
  synchronous,
  TorchError,
} from "./tensor/index.ts";

function withGradMode<T>(name: string, enabled: boolean, fn: () => T): T {
  const before = native.setGradMode(enabled);
  try {
    return synchronous(name, fn());
  } finally {
    native.setGradMode(before);
  }
}

/** Runs a synchronous function without recording for differentiation. @throws TorchError when `fn` is asynchronous */
export const noGrad = <T>(fn: () => T): T => withGradMode("noGrad", false, fn);

/** Records again inside of `noGrad`. @throws TorchError when `fn` is asynchronous */
export const enableGrad = <T>(fn: () => T): T => withGradMode("enableGrad", true, fn);

export const isGradEnabled = (): boolean => native.gradMode();

/** Like `noGrad` and faster: tensors made inside can never take part in differentiation. @throws as `noGrad` does */
export const inferenceMode = <T>(fn: () => T): T => synchronous("inferenceMode", native.inferenceMode(fn));

export interface AutocastOptions {
  /** Default "cpu". */
  device?: string;
  /** The dtype for the operators that profit from it. */
  dtype: "bfloat16" | "float16";
  /** Default true; false switches an outer autocast off. */
  enabled?: boolean;
}

/**
 * Runs a synchronous function with matrix products and convolutions in a shorter dtype.
 * @throws TorchError when `fn` is asynchronous
 */
export function autocast<T>({ device = "cpu", dtype, enabled = true }: AutocastOptions, fn: () => T): T {
  if (dtype !== "bfloat16" && dtype !== "float16")
    throw new TorchError(`autocast(): ${dtype} is no shorter dtype. Choose "bfloat16" or "float16".`);
  return withAutocast(device, dtype, enabled, () => synchronous("autocast", fn()));
}

function withAutocast<T>(device: string, dtype: string, enabled: boolean, fn: () => T): T {
  const before = native.autocastState(device);
  native.setAutocast(device, dtype, enabled, 1);
  try {
    return fn();
  } finally {
    native.setAutocast(device, before.dtype, before.enabled, -1);
  }
}

export interface BackwardOptions {
  /** One for each tensor; null stands for 1 where the tensor has one element. */
  gradients?: readonly (Tensor | null)[];
  /** Keeps the graph for another pass. Default: `createGraph`. */
  retainGraph?: boolean;
  /** Makes the gradients differentiable themselves. Default false. */
  createGraph?: boolean;
  /** Accumulates into these leaves only; default all. */
  inputs?: readonly Tensor[] | null;
}

/**
 * Adds the gradients of several tensors to `grad` of the leaves that they depend on.
 * @throws TorchError for no tensors, and where nothing requires a gradient or the graph was already freed
 */
export function backward(tensors: readonly Tensor[], options: BackwardOptions = {}): void {
  someOf("backward", "tensors", tensors);
  const {
    gradients = tensors.map(() => null),
    createGraph = false,
    retainGraph = createGraph,
    inputs = null,
  } = options;
  native.backward(tensors, gradients, retainGraph, createGraph, inputs);
}

/** libtorch asserts that there is something to begin with and, in `grad`, something to arrive at. */
function someOf(name: string, what: string, tensors: readonly Tensor[]): void {
  if (Array.isArray(tensors) && tensors.length > 0) return;
  throw new TorchError(
    `${name}(): ${Array.isArray(tensors) ? "there are no" : "an array is needed for the"} ${what}. Pass at least one tensor in an array.`,
  );
}

export interface GradOptions {
  gradOutputs?: readonly (Tensor | null)[];
  retainGraph?: boolean;
  createGraph?: boolean;
  /** Gives null for an input that the outputs do not depend on, instead of an error. Default false. */
  allowUnused?: boolean;
}

/**
 * The gradients of the outputs' sum with respect to the inputs; nothing is accumulated.
 * @throws TorchError for no outputs or inputs, and as `backward` does
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions & { allowUnused: true },
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options?: GradOptions,
): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): (Tensor | null)[] {
  const list: readonly Tensor[] = isTensor(outputs) ? [outputs] : outputs;
  const {
    gradOutputs = list.map(() => null),
    createGraph = false,
    retainGraph = createGraph,
    allowUnused = false,
  } = options;
  someOf("grad", "outputs", list);
  someOf("grad", "inputs", inputs);
  return native.grad(list, inputs, gradOutputs, retainGraph, createGraph, allowUnused) as (Tensor | null)[];
}

type OneOrMore<T> = T | readonly T[];
const listOf = <T extends object>(value: OneOrMore<T>): readonly T[] =>
  Array.isArray(value) ? value : [value as T];

export interface DifferentiableFunction<Inputs extends readonly Tensor[], Output extends OneOrMore<Tensor>> {
  /** Computes the outputs; runs without recording. */
  forward: (...inputs: Inputs) => Output;
  /**
   * Gradients of the inputs, one each (null where there is none), from the gradients of the outputs (null
   * where nothing downstream needed that output).
   */
  backward: (...gradients: (Tensor | null)[]) => OneOrMore<Tensor | null> | null;
}

/** What a custom function keeps from its forward for its backward. */
export interface FunctionContext {
  /** In forward: the graph holds these tensors (inputs, outputs or others) until it is freed. Replaces an earlier list. */
  save(...tensors: Tensor[]): void;
  /** In backward: what forward saved. @throws TorchError elsewhere */
  readonly saved: readonly Tensor[];
}

/**
 * A differentiable operation from a pair of functions, or from a function that makes such a pair of a context.
 *
 * What `backward` needs of the inputs may be captured by closure; an output may not: output, graph and closure would
 * hold each other for ever where no scope releases the output. `context.save` holds both.
 *
 * @example
 * const square = (x: Tensor) =>
 *   customFunction({ forward: (x) => x.mul(x), backward: (g) => g!.mul(x).mul(2) }, x);
 * @example
 * const exp = (x: Tensor) =>
 *   customFunction((context) => ({
 *     forward: (x: Tensor) => {
 *       const y = x.exp();
 *       context.save(y);
 *       return y;
 *     },
 *     backward: (g) => g!.mul(context.saved[0]!),
 *   }), x);
 */
export function customFunction<Inputs extends readonly Tensor[], Output extends OneOrMore<Tensor>>(
  pair:
    | DifferentiableFunction<Inputs, Output>
    | ((context: FunctionContext) => DifferentiableFunction<Inputs, Output>),
  ...inputs: Inputs
): Output {
  const toSave: Tensor[] = [];
  let held: readonly Tensor[] | undefined;
  const context: FunctionContext = {
    save: (...tensors) => void toSave.splice(0, toSave.length, ...tensors),
    get saved() {
      if (held) return held;
      throw new TorchError("The saved tensors are there during backward. Use what forward has at hand.");
    },
  };
  const { forward, backward: differentiate } = typeof pair === "function" ? pair(context) : pair;
  const run = (gradients: readonly (Tensor | null)[], saved: readonly Tensor[]) => {
    const outer = held;
    held = saved;
    try {
      return scopeTaking(saved, () => differentiate(...gradients));
    } finally {
      held = outer;
    }
  };
  return differentiable((values) => forward(...(values as unknown as Inputs)), run, inputs, toSave);
}

/** The same with tensors that the graph holds for `backward`, until it is freed: what `saved` has after `forward`. */
function differentiable<Output extends OneOrMore<Tensor>>(
  forward: (inputs: readonly Tensor[]) => Output,
  backward: (
    gradients: readonly (Tensor | null)[],
    saved: readonly Tensor[],
  ) => OneOrMore<Tensor | null> | null,
  inputs: readonly Tensor[],
  saved: Tensor[],
): Output {
  let single = false;
  const outputs = native.customFunction(
    (values) => {
      const result = forward(values as Tensor[]);
      single = !Array.isArray(result);
      return listOf(result as OneOrMore<Tensor>);
    },
    (gradients, held) => {
      const result = backward(gradients as (Tensor | null)[], held as Tensor[]);
      const list = Array.isArray(result) ? result : [result as Tensor | null];
      if (list.length === inputs.length) return list;
      throw new TorchError(
        `A custom function's backward gave ${list.length} gradients, and the function has ${inputs.length} inputs. ` +
          "Return one for each, null where there is none.",
      );
    },
    inputs,
    saved,
  ) as Tensor[];
  saved.length = 0; // the functions hold this list
  return (single ? outputs[0] : outputs) as Output;
}

/** The settings that a second run must find as the first one did, on the CPU and on the inputs' GPUs. */
function settingsOf(inputs: readonly Tensor[]) {
  const devices = [...new Set(["cpu", ...inputs.map(({ device }) => device)])].filter((device) =>
    /^(cpu|cuda)/.test(device),
  );
  const generators = devices.map((device) => defaultGenerator(device));
  const modes = devices.map((device) => ({ device, ...native.autocastState(device) }));
  const setStates = (states: readonly Tensor[]) => {
    generators.forEach((generator, i) => void generator.setState(states[i]!));
  };
  const states = () => generators.map((generator) => generator.getState());
  /** Other generators that were drawn from, with the states before. */
  const drawn = new Map<Generator, TypedArray>();
  const withModes = <T>(fn: () => T): T =>
    modes.reduceRight<() => T>(
      (inner, { device, dtype, enabled }) =>
        () =>
          withAutocast(device, dtype, enabled, inner),
      fn,
    )();
  return {
    states,
    /** Runs `fn` for the first time. */
    first: <T>(fn: () => T): T =>
      hearDraws((generator) => {
        if (!drawn.has(generator)) drawn.set(generator, generator.getState().toTyped());
      }, fn),
    /** Runs `fn` with the generators in these states and the autocast of before, and puts back what was there. */
    repeat<T>(before: readonly Tensor[], fn: () => T): T {
      const now = states();
      const others = [...drawn.keys()].map((generator) => ({ generator, state: generator.getState() }));
      for (const [generator, state] of drawn) generator.setState(fromTyped(state, [state.length]));
      setStates(before); // after the others, among which a default one may be
      try {
        return withModes(fn);
      } finally {
        for (const { generator, state } of others) generator.setState(state);
        setStates(now);
      }
    },
  };
}

/**
 * Runs `fn` without keeping its intermediate results, and runs it again during backward (gradient checkpointing, Chen
 * et al. 2016): memory for time. The second run finds the autocast mode of the first, and draws of the default
 * generators (the CPU's, and those of the inputs' devices) and of `Generator`s repeat.
 *
 * Tensors that `fn` uses by closure get their gradients in `backward()`. For `grad()`, for `backward` with `inputs` and
 * for `createGraph`, all that requires gradients has to be an input.
 *
 * @throws TorchError during such a pass, where `fn` depends on other leaves
 */
export function checkpoint<Inputs extends readonly Tensor[], Output extends OneOrMore<Tensor>>(
  fn: (...inputs: Inputs) => Output,
  ...inputs: Inputs
): Output {
  const settings = settingsOf(inputs);
  const again = (gradients: readonly (Tensor | null)[], saved: readonly Tensor[]) => {
    const createGraph = isGradEnabled();
    const age = native.graphAge();
    // The results of a pass that is itself differentiated depend on the inputs themselves.
    const copies = saved
      .slice(0, inputs.length)
      .map((x) => (createGraph && x.requiresGrad ? x.alias() : x.detach().requiresGrad_(x.requiresGrad)));
    const outputs = settings.repeat(saved.slice(inputs.length), () =>
      listOf(enableGrad(() => fn(...(copies as unknown as Inputs))) as OneOrMore<Tensor>),
    );
    const reached = outputs
      .map((output, i) => ({ output, gradient: gradients[i] ?? null }))
      .filter(({ output, gradient }) => gradient !== null && output.requiresGrad);
    if (reached.length === 0) return copies.map(() => null);
    const used = reached.map(({ output }) => output);
    const gradOutputs = reached.map(({ gradient }) => gradient);
    if (native.reachesAllLeaves() && !createGraph) {
      // Through tensors that were computed before, `fn` joins a graph that others go through too.
      backward(used, { gradients: gradOutputs, retainGraph: native.reachesOlder(used, age) });
      return copies.map((copy) => copy.grad);
    }
    if (native.reachesOtherLeaves(used, copies)) {
      throw new TorchError(
        "checkpoint(): the function depends on tensors that are none of its inputs and require gradients. " +
          "Pass them as inputs, or call backward() without `inputs` and `createGraph`.",
      );
    }
    const wanted = copies.filter((copy) => copy.requiresGrad);
    const found = grad(used, wanted, { gradOutputs, createGraph, allowUnused: true });
    return copies.map((copy) => (copy.requiresGrad ? found[wanted.indexOf(copy)]! : null));
  };
  const first = (values: readonly Tensor[]): Output =>
    scope(() => settings.first(() => fn(...(values as unknown as Inputs))));
  return scope(() => {
    const saved = [...inputs, ...settings.states()];
    const differentiate = (gradients: readonly (Tensor | null)[], held: readonly Tensor[]) =>
      scopeTaking([...gradients, ...held], () => again(gradients, held));
    if (!isGradEnabled() || inputs.some((input) => input.requiresGrad)) {
      return differentiable(first, differentiate, inputs, saved);
    }
    // Only what `fn` uses by closure may require gradients. Then a tensor that nobody asks for makes libtorch come here.
    const outputs = first(inputs);
    if (!listOf(outputs as OneOrMore<Tensor>).some((output) => output.requiresGrad)) return outputs;
    const detached = listOf(outputs as OneOrMore<Tensor>).map((output) => output.detach());
    const anchor = full([], 0, { requiresGrad: true });
    return differentiable(
      () => (Array.isArray(outputs) ? detached : detached[0]) as Output,
      (gradients, held) => [null, ...differentiate(gradients, held)],
      [anchor, ...inputs],
      saved,
    );
  });
}
