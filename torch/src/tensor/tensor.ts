import { allocateFixed } from "./allocate.ts";
import { call, caller, described, isTensor, onNewTensor } from "./call.ts";
import {
  type Device,
  type DType,
  type MemoryFormat,
  type Scalar,
  type TypedArray,
  typedArrayOf,
} from "./dtype.ts";
import { TorchError } from "./errors.ts";
import { Generator } from "./generator.ts";
import { assignIndex, type Index, readIndex } from "./indexing.ts";
import { maker, native, onLoad, slot } from "./native.ts";
import { methods, type TensorOperators } from "./operators.ts";
import { format } from "./print.ts";
import { arrayFor, comesAsNumbers, type Into, numbersOf, readingOf, sharedReadingOf } from "./reading.ts";
import { dispose, enter, keep, type Scope } from "./scope.ts";
import { installShortForms, type ShortForms } from "./short-forms.ts";
import { setTraps, UNCLONEABLE } from "./traps.ts";

/** Nested arrays of numbers, of any depth. */
export type Nested<T> = T | readonly Nested<T>[];

export interface ToOptions {
  device?: Device;
  dtype?: DType;
  memoryFormat?: MemoryFormat;
  /** Copies even where nothing changes. Default false. */
  copy?: boolean;
  /** Default false. */
  nonBlocking?: boolean;
}

/** What makes tensors shows this; nobody else has it. */
const MADE: unique symbol = Symbol("made by the engine");
const NO_CONSTRUCTOR =
  "A tensor cannot be made with `new`. Use torch.tensor([1, 2]), torch.fromTyped(array, shape), torch.zeros(shape) or another function.";

/**
 * A libtorch tensor. Every ATen operator whose first argument is called `self` is a method, in camelCase:
 * arguments without a default by position, all others in one object at the end.
 *
 * @example torch.randn([2, 3]).softmax(-1).sum([1], { keepdim: true })
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the generated methods are installed on the prototype below
export class Tensor {
  /** @internal */
  declare [slot]: number;
  /** @internal */
  declare [maker]: number;
  /** @internal The scope that will release this tensor. */
  declare owner: Scope | undefined;
  /** Set by `nn.parameter`: a module reports the tensor among its parameters. */
  declare isParameter: boolean;
  /** Set by `nn.buffer`: a module reports the tensor among its buffers. */
  declare isBuffer: boolean;

  /** A property that is read by structuredClone and postMessage, and throws. */
  declare private readonly uncloneable: object;

  /**
   * @internal Tensors are made by operators and by `tensor`, `fromTyped`, `zeros`, …: never by `new`.
   * @throws TorchError for all others
   */
  constructor(slotNumber: number, makerIndex: number, key: typeof MADE) {
    if (key !== MADE) throw new TorchError(NO_CONSTRUCTOR);
    // Assigned here and not as field initialisers: thousands are made every second.
    this[slot] = slotNumber;
    this[maker] = makerIndex;
    this.owner = undefined;
    this.isParameter = false;
    this.isBuffer = false;
    this.uncloneable = UNCLONEABLE;
    enter(this);
  }

  /** Sizes, outermost first. */
  get shape(): readonly number[] {
    return native.shape(this);
  }

  get dtype(): DType {
    return native.dtype(this) as DType;
  }

  get device(): Device {
    return native.device(this);
  }

  /** Number of dimensions. */
  get ndim(): number {
    return native.ndim(this);
  }

  /** Number of elements. */
  get numel(): number {
    return native.numel(this);
  }

  /** Bytes of one element. */
  get itemSize(): number {
    return native.itemSize(this);
  }

  get requiresGrad(): boolean {
    return native.requiresGrad(this);
  }

  set requiresGrad(flag: boolean) {
    if (!flag && !this.isLeaf) {
      throw new TorchError(
        "Only leaves can stop requiring gradients; this tensor was computed. Take .detach() of it.",
      );
    }
    native.setRequiresGrad(this, flag);
  }

  /** Sets `requiresGrad` and returns the tensor. @throws TorchError for `false` on a tensor that was computed */
  requiresGrad_(flag = true): this {
    this.requiresGrad = flag;
    return this;
  }

  get isLeaf(): boolean {
    return call("aten::is_leaf", this) as boolean;
  }

  /** Name of the autograd node that made this tensor, or null. */
  get gradFn(): string | null {
    return native.gradFn(this);
  }

  /** The accumulated gradient, or null. */
  get grad(): Tensor | null {
    return native.gradient(this) as Tensor | null;
  }

  set grad(gradient: Tensor | null) {
    // Operators that walk through a parameter and its gradient together trust that both have the same size.
    if (gradient === this) throw new TorchError("A tensor cannot be its own gradient. Pass a clone().");
    if (isTensor(gradient) && described(gradient) !== described(this)) {
      throw new TorchError(
        `A gradient of ${described(gradient)} does not belong to a tensor of ${described(this)}. Give it the tensor's shape, dtype and device.`,
      );
    }
    native.setGradient(this, gradient);
  }

  /**
   * Adds the gradients of this tensor to `grad` of every leaf that it depends on.
   * @param gradient of the same shape; may be left out for a tensor of one element
   * @throws TorchError when nothing here requires a gradient, or the graph was already freed
   */
  backward(gradient: Tensor | null = null, { retainGraph = false, createGraph = false } = {}): void {
    native.backward([this], [gradient], retainGraph || createGraph, createGraph, null);
  }

  /** The tensor on another device, in another dtype or memory format; itself where nothing changes. */
  to(target: Device | DType | ToOptions): Tensor {
    const options =
      typeof target === "string" ? (isDType(target) ? { dtype: target } : { device: target }) : target;
    if (typeof options !== "object" || options === null) {
      throw new TorchError(`to() was given ${options}. Pass a dtype, a device, or an object with these.`);
    }
    // Options of other names go along, to be refused by the operator.
    return call("aten::to.dtype_layout", this, { copy: false, nonBlocking: false, ...options }) as Tensor;
  }

  /** The one element as a number (booleans as 0 and 1; an int64 beyond 2^53 loses its last digits). */
  item(): number {
    // libtorch 2.6 has no result for those beyond int64.
    if (this.dtype === "uint64" && this.numel === 1) return this.toNumbers()[0]!;
    const value = call("aten::item", this);
    if (typeof value === "object")
      throw new TorchError("item() of a complex tensor: take .real() or .imag() first.");
    return Number(value);
  }

  /**
   * A copy of the elements, row-major; int64 as bigint, float16 and bfloat16 as their bits.
   * @param options.into an array to fill, which a loop uses again: nothing is left to the garbage collector, and the copy
   *   takes a third of the time (README, "Memory"); a Float16Array for float16 and a Uint8ClampedArray for uint8 will do
   * @throws TorchError for a dtype that no typed array holds, a sparse or nested tensor, where memory is short, and where
   *   `into` is of another kind or too short
   * @example const picture = frame.toTyped({ into: imageData.data });
   */
  toTyped(): TypedArray;
  toTyped<Target extends TypedArray>(options: Into<Target>): Target;
  toTyped({ into }: Partial<Into<TypedArray>> = {}): TypedArray {
    const { array, bytes } = readingOf("toTyped", this, into);
    native.readBytes(this, bytes, 0);
    return array;
  }

  /**
   * `toTyped` on another thread: the event loop goes on while the elements come from a GPU, are put in order and copied.
   * What is no more than a copy of 1 MiB is made at once, which takes the event loop less than handing it over. Disposing the tensor meanwhile is safe; writing to it may or may not show.
   * @param options.into an array over a SharedArrayBuffer, which cannot move away while the other thread writes to it
   * @throws TorchError as `toTyped` does, and for an `into` over another buffer
   * @example response.end(await probabilities.data());
   */
  data(): Promise<TypedArray>;
  data<Target extends TypedArray>(options: Into<Target>): Promise<Target>;
  async data({ into }: Partial<Into<TypedArray>> = {}): Promise<TypedArray> {
    const { array, bytes } = sharedReadingOf("data", this, into);
    await native.readBytesAsync(this, bytes);
    return array;
  }

  /**
   * The elements of a contiguous CPU tensor, shared: writing to either changes both. The first call moves the memory of
   * the tensor and its views into a buffer of JavaScript, which is one copy; later calls cost nothing. The memory lives
   * as long as one of them uses it, so that neither has to wait for the other; where the tensor is resized, they part.
   * @throws TorchError for any other tensor, and where the memory is a mapped file or was given to another thread
   */
  asTyped(): TypedArray {
    const Constructor = arrayFor("asTyped", this);
    const { buffer, byteOffset } = native.shareMemory(this, allocateFixed);
    return new Constructor(buffer, byteOffset, (this.numel * this.itemSize) / Constructor.BYTES_PER_ELEMENT);
  }

  /** The elements as numbers, row-major; bool as 0 and 1. */
  toNumbers(): number[] {
    const dtype = this.dtype;
    if (dtype.startsWith("complex"))
      throw new TorchError("toNumbers() of a complex tensor: take .real() or .imag() first.");
    const exact = comesAsNumbers(dtype) ? this : this.to("float64");
    const numbers = numbersOf(exact.toTyped());
    if (exact !== this) exact.dispose();
    return numbers;
  }

  /** The elements as nested arrays; a number for a tensor without dimensions. */
  tolist(): Nested<number> {
    const numbers = this.toNumbers();
    const nest = (sizes: readonly number[], offset: number): Nested<number> => {
      const [size, ...rest] = sizes;
      if (size === undefined) return numbers[offset]!;
      const stride = rest.reduce((a, b) => a * b, 1);
      return Array.from({ length: size }, (_, i) => nest(rest, offset + i * stride));
    };
    return nest(this.shape, 0);
  }

  /**
   * Reads a part: `x.at(0)`, `x.at("...", -1)`, `x.at(slice(1, 3), null)`, `x.at(mask)`, `x.at(rows, columns)`.
   * Numbers, slices, null and "..." give a view; masks and index tensors give a copy.
   */
  at(...indices: Index[]): Tensor {
    return readIndex(this, indices);
  }

  /** Assigns to the part that `at(...indices)` reads; the value is broadcast. */
  setAt(indices: Index | readonly Index[], value: Tensor | number | boolean): this {
    assignIndex(this, Array.isArray(indices) ? indices : [indices as Index], value);
    return this;
  }

  /** Its elements where the condition is true, those of `other` elsewhere: `torch.where(condition, x, other)`. */
  where(condition: Tensor, other: Tensor | Scalar): Tensor {
    return call("aten::where", condition, this, other) as Tensor;
  }

  /** Takes the tensor out of its scope: it lives until disposed or collected. */
  keep(): this {
    return keep(this);
  }

  /** Releases the memory now. Using the tensor afterwards is an error that names the operator that made it. */
  dispose(): void {
    dispose(this);
  }

  [Symbol.dispose](): void {
    dispose(this);
  }

  /** Name of the operator that made this tensor, for example "aten::relu", or null. */
  get creator(): string | null {
    return this[maker] < 0 ? null : native.packetName(this[maker]);
  }

  get isDisposed(): boolean {
    return this[slot] <= 0;
  }

  /** Prints as PyTorch does. */
  toString(): string {
    return format(this);
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.isDisposed ? "tensor(disposed)" : format(this);
  }
}

export interface Tensor extends TensorOperators, ShortForms {}

setTraps(Tensor.prototype);

/** The addon makes tensors with `new`. */
function Made(slotNumber: number, makerIndex: number): Tensor {
  return new Tensor(slotNumber, makerIndex, MADE);
}

/** What libtorch warns of; once per text and process. */
const warn = (text: string): void => process.emitWarning(text, "TorchWarning");

onLoad((addon) => addon.registerClasses(Made, Generator, TorchError, slot, maker, warn));
onNewTensor((slotNumber, packet) => new Tensor(slotNumber, packet, MADE));

for (const [name, operator] of methods) {
  const run = caller(operator);
  const method = function (this: Tensor, ...args: unknown[]): unknown {
    return run(this, args);
  };
  Object.defineProperty(Tensor.prototype, name, { value: method, writable: true, configurable: true });
}

installShortForms(Tensor.prototype);

const isDType = (name: string): name is DType => Object.hasOwn(typedArrayOf, name);
