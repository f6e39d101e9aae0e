import type { Tensor } from "../tensor/index.ts";
import { isTensor } from "../tensor/index.ts";
import { PickleError } from "./error.ts";
import { DTYPE_NAMES, STORAGE_DTYPES } from "./globals.ts";

const STORAGE_CLASSES = new Map(Object.entries(STORAGE_DTYPES).map(([name, dtype]) => [dtype, name]));
const OWN_NAMES: ReadonlySet<string> = new Set(Object.values(DTYPE_NAMES));

/** A storage as the pickle names it. */
export interface StorageOf {
  readonly key: string;
  readonly bytes: number;
}

/** Writes a pickle of protocol 2, as torch.save does: tensors by the places of their storages, plain containers. */
export class Pickler {
  readonly #parts: Buffer[] = [Buffer.from([0x80, 2])];
  readonly #memo = new Map<object, number>();
  readonly #open = new Set<object>();

  constructor(
    readonly file: string,
    readonly storageOf: (tensor: Tensor, path: string) => StorageOf,
  ) {}

  /** @throws PickleError for what PyTorch has no plain form of */
  pickle(value: unknown): Buffer {
    this.#value(value, "value");
    this.#code(".");
    return Buffer.concat(this.#parts);
  }

  #value(value: unknown, path: string): void {
    switch (typeof value) {
      case "boolean":
        this.#code(value ? "\x88" : "\x89");
        return;
      case "string":
        this.#text(value);
        return;
      case "bigint":
        this.#integer(value);
        return;
      case "number":
        if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
          this.#integer(BigInt(value));
          return;
        }
        this.#float(value);
        return;
      case "object":
        if (value === null) {
          this.#code("N");
          return;
        }
        this.#object(value, path);
        return;
      default: {
        const problem = `is ${typeof value === "undefined" ? "undefined" : `a ${typeof value}`}, which no Python value stands for.`;
        throw new PickleError(this.file, path, problem, "Leave it out, or give null.");
      }
    }
  }

  #object(value: object, path: string): void {
    const known = this.#memo.get(value);
    if (known !== undefined) {
      this.#recall(known);
      return;
    }
    if (isTensor(value)) {
      this.#tensor(value, path);
      this.#remember(value);
      return;
    }
    if (value instanceof Uint8Array) {
      this.#global("_codecs", "encode");
      this.#text(Buffer.from(value).toString("latin1"));
      this.#text("latin1");
      this.#code("\x86R");
      this.#remember(value);
      return;
    }
    if (Array.isArray(value)) {
      this.#code("]");
      this.#remember(value);
      this.#code("(");
      value.forEach((item, i) => {
        this.#value(item, `${path}[${i}]`);
      });
      this.#code("e");
      return;
    }
    if (value instanceof Set) {
      if (this.#open.has(value))
        throw new PickleError(this.file, path, "is a set that holds itself.", "Break the circle.");
      this.#open.add(value);
      this.#global("__builtin__", "set");
      this.#code("](");
      for (const item of value) this.#value(item, `${path}, an item`);
      this.#code("e\x85R");
      this.#remember(value);
      return;
    }
    if (value instanceof Map) {
      this.#entries(value, [...value], path);
      return;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      const name = value.constructor?.name ?? "class";
      const remedy = ArrayBuffer.isView(value)
        ? "Make a tensor of it: torch.fromTyped(array, shape)."
        : "Save plain data and tensors: of a module or an optimizer its stateDict().";
      throw new PickleError(this.file, path, `is an object of the class ${name}.`, remedy);
    }
    if (
      "real" in value &&
      "imag" in value &&
      typeof value.real === "number" &&
      typeof value.imag === "number"
    ) {
      this.#global("__builtin__", "complex");
      this.#float(value.real);
      this.#float(value.imag);
      this.#code("\x86R");
      return;
    }
    this.#entries(value, Object.entries(value), path);
  }

  #entries(value: object, entries: [unknown, unknown][], path: string): void {
    this.#code("}");
    this.#remember(value);
    this.#code("(");
    for (const [key, item] of entries) {
      const isScalar = ["string", "number", "bigint", "boolean"].includes(typeof key);
      if (!isScalar && key !== null)
        throw new PickleError(
          this.file,
          path,
          "has a key that is an object.",
          "Use texts or numbers as keys.",
        );
      const inner = typeof key === "string" ? `${path}.${key}` : `${path}[${key}]`;
      this.#value(key, inner);
      this.#value(item, inner);
    }
    this.#code("u");
  }

  #tensor(tensor: Tensor, path: string): void {
    const { dtype, layout } = tensor;
    if (!OWN_NAMES.has(dtype) || layout !== "strided") {
      const problem = `is a ${layout} tensor of ${dtype}, which plain files of torch.save have no form for.`;
      throw new PickleError(this.file, path, problem, "Convert it first: .toDense() or .dequantize().");
    }
    if (tensor.isParameter) {
      this.#global("torch._utils", "_rebuild_parameter");
      this.#code("(");
    }
    const storageClass = STORAGE_CLASSES.get(dtype);
    const plain = tensor.resolveConj().resolveNeg();
    const { key, bytes } = this.storageOf(plain, path);
    this.#global("torch._utils", storageClass ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    this.#code("((");
    this.#text("storage");
    if (storageClass) this.#global("torch", storageClass);
    else this.#global("torch.storage", "UntypedStorage");
    this.#text(key);
    this.#text(tensor.device);
    this.#integer(BigInt(storageClass ? bytes / tensor.itemSize : bytes));
    this.#code("tQ");
    this.#integer(BigInt(plain.storageOffset()));
    this.#tuple(plain.shape);
    this.#tuple(plain.shape.map((_, i) => plain.stride(i)));
    this.#code(tensor.requiresGrad && !tensor.isParameter ? "\x88" : "\x89");
    this.#noHooks();
    if (!storageClass) this.#global("torch", dtype);
    this.#code("tR");
    if (!tensor.isParameter) return;
    this.#code(tensor.requiresGrad ? "\x88" : "\x89");
    this.#noHooks();
    this.#code("tR");
  }

  #noHooks(): void {
    this.#global("collections", "OrderedDict");
    this.#code(")R");
  }

  #tuple(sizes: readonly number[]): void {
    this.#code("(");
    for (const size of sizes) this.#integer(BigInt(size));
    this.#code("t");
  }

  #code(text: string): void {
    this.#parts.push(Buffer.from(text, "latin1"));
  }

  #integer(value: bigint): void {
    if (value >= -(2n ** 31n) && value < 2n ** 31n) {
      const bytes = Buffer.alloc(5, "J");
      bytes.writeInt32LE(Number(value), 1);
      this.#parts.push(bytes);
      return;
    }
    const bytes: number[] = [];
    // Two's complement: until what remains is the sign of the last byte.
    let rest = value;
    do {
      bytes.push(Number(rest & 255n));
      rest >>= 8n;
    } while (rest !== (bytes.at(-1)! < 128 ? 0n : -1n));
    if (bytes.length > 255)
      throw new PickleError(this.file, "value", "is a bigint of more than 255 bytes.", "Save it as text.");
    this.#parts.push(Buffer.from([0x8a, bytes.length, ...bytes]));
  }

  #float(value: number): void {
    const bytes = Buffer.alloc(9, "G");
    bytes.writeDoubleBE(value, 1);
    this.#parts.push(bytes);
  }

  #text(text: string): void {
    const utf8 = Buffer.from(text, "utf8");
    const head = Buffer.alloc(5, "X");
    head.writeUInt32LE(utf8.length, 1);
    this.#parts.push(head, utf8);
  }

  #global(module: string, name: string): void {
    this.#code(`c${module}\n${name}\n`);
  }

  #remember(value: object): void {
    const index = this.#memo.size;
    this.#memo.set(value, index);
    const bytes = Buffer.alloc(5, "r");
    bytes.writeUInt32LE(index, 1);
    this.#parts.push(bytes);
  }

  #recall(index: number): void {
    const bytes = Buffer.alloc(5, "j");
    bytes.writeUInt32LE(index, 1);
    this.#parts.push(bytes);
  }
}
