import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { described, native, type Tensor, TorchError } from "./tensor/index.ts";

export interface AotOptions {
  /** Name of the network among several in the package. Default "model". */
  name?: string;
  /** Index of the GPU; for packages that were compiled for one. Default the current one. */
  device?: number;
}

/** How PyTorch writes the structure of arguments and results: a leaf has no type. */
interface TreeSpec {
  readonly type: string | null;
  readonly children_spec: readonly TreeSpec[];
}

/** The number of tensors in a structure. */
function leavesOf(text: string): number | undefined {
  if (text === "") return undefined;
  const count = ({ type, children_spec: children }: TreeSpec): number =>
    type === null ? 1 : children.reduce((sum, child) => sum + count(child), 0);
  const [, spec] = JSON.parse(text) as [version: number, spec: TreeSpec];
  return count(spec);
}

/**
 * A network that Python's AOTInductor has compiled: machine code for one kind of processor or GPU, with its weights.
 * Inference only; no Python is needed to run it.
 */
export class CompiledNetwork {
  readonly #package: object;
  readonly #file: string;
  /** How many tensors `run` takes: Python's arguments and keyword arguments in order, structures laid flat. */
  readonly inputs: number | undefined;
  /** How many tensors `run` gives. */
  readonly outputs: number | undefined;
  /** Names of the weights inside. */
  readonly constants: readonly string[];
  /** What the compiler noted: `AOTI_DEVICE_KEY`, `AOTI_CPU_ISA` and so on. */
  readonly metadata: Readonly<Record<string, string>>;

  /** @internal Compiled networks are made by `load`. */
  constructor(file: string, handle: object) {
    this.#file = file;
    this.#package = handle;
    const { inputs, outputs, constants, metadata } = native.describePackage(handle);
    this.inputs = leavesOf(inputs);
    this.outputs = leavesOf(outputs);
    this.constants = constants;
    this.metadata = Object.fromEntries(metadata);
  }

  /**
   * Runs the network; nothing is recorded for differentiation. Sizes, strides and dtypes have to be those that it was
   * exported with, but for dimensions that were exported as dynamic.
   * @returns the results, structures laid flat; the caller owns them
   * @throws TorchError for inputs that it was not compiled for; the compiled code writes the reason to standard error too
   */
  run(...inputs: Tensor[]): Tensor[] {
    if (this.inputs !== undefined && inputs.length !== this.inputs)
      throw new TorchError(
        `${this.#file}: run() was given ${inputs.length} tensors, and the network takes ${this.inputs}. Pass its arguments in order.`,
      );
    try {
      return native.runPackage(this.#package, inputs) as Tensor[];
    } catch (cause) {
      if (!(cause instanceof TorchError)) throw cause;
      const given = inputs.map(described).join(", ");
      const error = new TorchError(
        `${this.#file}: the compiled network failed with ${given}: ${cause.message.trim()}. ` +
          "Pass contiguous tensors of the sizes and dtypes of its export, or export it with dynamic dimensions.",
      );
      throw Object.assign(error, { cause });
    }
  }

  /** Releases the weights now. */
  dispose(): void {
    native.disposePackage(this.#package);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Loads a package of AOTInductor (`.pt2`), which Python makes with `torch._inductor.aoti_compile_and_package`. It holds
 * machine code: load only what you or those you trust have compiled. It has to be compiled for this kind of processor by a
 * PyTorch no newer than this libtorch; libtorch 2.8 and newer load it.
 *
 * @throws TorchError for a file that is missing or no such package, and where libtorch is too old
 * @example
 * const network = aot.load("resnet18.pt2");
 * const [logits] = network.run(images);
 */
export function load(file: string, { name = "model", device = -1 }: AotOptions = {}): CompiledNetwork {
  const path = resolve(file);
  if (!existsSync(path)) throw new TorchError(`${path} does not exist. Give a .pt2 file of AOTInductor.`);
  try {
    return new CompiledNetwork(path, native.loadPackage(path, name, device));
  } catch (cause) {
    if (!(cause instanceof TorchError)) throw cause;
    const error = new TorchError(
      `${path} cannot be loaded as a package of AOTInductor: ${cause.message} Make it with torch._inductor.aoti_compile_and_package.`,
    );
    throw Object.assign(error, { cause });
  }
}
