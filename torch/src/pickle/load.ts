import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { parameter } from "../nn/index.ts";
import type { Complex, Device, DType, Tensor } from "../tensor/index.ts";
import { call, empty, fromTyped, scope } from "../tensor/index.ts";
import { DAMAGED, PickleError } from "./error.ts";
import type { StorageName, TensorSpec } from "./globals.ts";
import { ByteSource, readInto } from "./source.ts";
import { type Item, unpickle } from "./unpickle.ts";
import { readZip } from "./zip-read.ts";

/** What a file of torch.save holds: tensors, and plain containers of Python as JavaScript has them. */
export type Saved =
  | null
  | boolean
  | number
  | bigint
  | string
  | Complex
  | Uint8Array
  | Tensor
  | readonly Saved[]
  | ReadonlyMap<Saved, Saved>
  | ReadonlySet<Saved>
  | { readonly [key: string]: Saved };

export interface LoadOptions {
  /** Where the tensors go, wherever they were when they were saved. Default "cpu". */
  device?: Device;
}

/** Where in the file a storage's bytes are. */
interface Place {
  readonly begin: number;
  readonly bytes: number;
}

/**
 * Reads a file of PyTorch's `torch.save` (`.pt`, `.pth`, `.bin`), of today's zip format and of the one before PyTorch
 * 1.6: tensors, and plain containers. As with `weights_only` nothing in the file is run. Dictionaries become objects
 * (maps where a key is no text), lists and tuples arrays, dtypes and devices their names; tensors that shared a storage
 * share it again. Storages are read one by one, never the whole file at once.
 *
 * @returns what was saved; the caller owns the tensors (the surrounding scope does, if there is one)
 * @throws PickleError for a file that is damaged, and for one that names what plain data has no need of, with its name
 * @example const weights = torch.load("resnet18.pth") as Record<string, Tensor>;
 */
export function load(path: string, { device = "cpu" }: LoadOptions = {}): Saved {
  const descriptor = open(path);
  try {
    const { size } = fstatSync(descriptor);
    const start = Buffer.alloc(Math.min(4, size));
    readInto(descriptor, start, 0, path, "file");
    const isZip = start.toString("latin1") === "PK\x03\x04";
    const { item, places } = isZip ? readArchive(descriptor, size, path) : readLegacy(descriptor, size, path);
    return scope(() => new Builder(descriptor, path, places, device).build(item));
  } finally {
    closeSync(descriptor);
  }
}

interface Contents {
  readonly item: Item;
  readonly places: ReadonlyMap<string, Place>;
}

function readArchive(descriptor: number, size: number, file: string): Contents {
  const entries = readZip(descriptor, size, file);
  if (entries.has("constants.pkl")) {
    throw new PickleError(
      file,
      "archive",
      "holds a TorchScript program.",
      "Load it in Python with torch.jit.load and save its state_dict().",
    );
  }
  const pickle = entries.get("data.pkl");
  if (!pickle) throw new PickleError(file, "archive", "holds no data.pkl.", DAMAGED);
  const order = entries.get("byteorder");
  if (order) {
    const text = new ByteSource(descriptor, order.begin, order.begin + order.size, file, "byteorder");
    if (text.take(order.size).toString("latin1") !== "little")
      throw new PickleError(file, "byteorder", "is not little.", "Save it on a little-endian machine.");
  }
  const source = new ByteSource(descriptor, pickle.begin, pickle.begin + pickle.size, file, "data.pkl");
  const places = new Map<string, Place>();
  for (const [name, { begin, size: bytes }] of entries) {
    if (name.startsWith("data/")) places.set(name.slice("data/".length), { begin, bytes });
  }
  return { item: unpickle(source), places };
}

const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

/** Magic number, protocol, the machine's properties, the value, the storages' keys: a pickle each; then the storages. */
function readLegacy(descriptor: number, size: number, file: string): Contents {
  const source = new ByteSource(descriptor, 0, size, file, "pickle");
  let magic: Item = null;
  try {
    magic = unpickle(source);
  } catch (cause) {
    if (!(cause instanceof PickleError)) throw cause;
    throw new PickleError(file, "file", "is no file of torch.save.", "Fetch or write it again.", { cause });
  }
  if (magic !== LEGACY_MAGIC) throw new PickleError(file, "file", "is no file of torch.save.", DAMAGED);
  const protocol = unpickle(source);
  if (protocol !== LEGACY_PROTOCOL)
    throw new PickleError(file, "protocol", `is ${String(protocol)}, not ${LEGACY_PROTOCOL}.`, DAMAGED);
  const machine = unpickle(source);
  if (!(machine instanceof Map) || machine.get("little_endian") !== true) {
    throw new PickleError(file, "byte order", "is not little.", "Save it on a little-endian machine.");
  }
  const item = unpickle(source);
  const keys = unpickle(source);
  if (!Array.isArray(keys)) throw new PickleError(file, "storages", "have no list of keys.", DAMAGED);
  const itemSizes = new Map<string, number>();
  forEachStorage(item, (storage) => {
    itemSizes.set(storage.key, storage.dtype === undefined ? 1 : itemSizeOf(storage.dtype));
  });
  const places = new Map<string, Place>();
  for (const key of keys) {
    if (typeof key !== "string")
      throw new PickleError(file, "storages", "have a key that is no text.", DAMAGED);
    const elements = source.take(8).readBigInt64LE();
    const itemSize = itemSizes.get(key);
    if (itemSize === undefined)
      throw new PickleError(file, `storage "${key}"`, "belongs to no tensor.", DAMAGED);
    if (elements < 0n || elements > BigInt(size))
      throw new PickleError(file, `storage "${key}"`, `has ${elements} elements.`, DAMAGED);
    const bytes = Number(elements) * itemSize;
    places.set(key, { begin: source.position, bytes });
    source.skip(bytes);
  }
  return { item, places };
}

/** Deeper is no data that anyone saved, and would overflow the stack. */
const MOST_DEPTH = 500;

function forEachStorage(item: Item, visit: (storage: StorageName) => void): void {
  const seen = new Set<Item>();
  const open: Item[] = [item];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    if (Array.isArray(next)) for (const inner of next) open.push(inner);
    else if (next instanceof Set) for (const inner of next) open.push(inner);
    else if (next instanceof Map) for (const [key, inner] of next) open.push(key, inner);
    else if ("kind" in next && next.kind === "tensor") visit(next.storage);
    else if ("kind" in next && next.kind === "storage") visit(next);
  }
}

/** libtorch's loops over elements go no deeper. */
const MOST_DIMENSIONS = 64;

/** Bytes at once, on their way from the file into a tensor's memory. */
const CHUNK = 2 ** 26;

const itemSizeOf = (dtype: DType): number => scope(() => empty([0], { dtype }).itemSize);

/** Makes what the pickle described. */
class Builder {
  readonly #made = new Map<Item, Saved>();
  readonly #storages = new Map<string, Tensor>();

  constructor(
    readonly descriptor: number,
    readonly file: string,
    readonly places: ReadonlyMap<string, Place>,
    readonly device: Device,
  ) {}

  build(item: Item, depth = 0): Saved {
    if (typeof item !== "object" || item === null) return item;
    if (depth > MOST_DEPTH)
      throw new PickleError(this.file, "value", `is nested more than ${MOST_DEPTH} deep.`, DAMAGED);
    const known = this.#made.get(item);
    if (known !== undefined) return known;
    const keep = <T extends Saved>(made: T): T => {
      this.#made.set(item, made);
      return made;
    };
    if (item instanceof Uint8Array) return item;
    if (Array.isArray(item)) {
      const list = keep<Saved[]>([]);
      for (const inner of item) list.push(this.build(inner, depth + 1));
      return list;
    }
    if (item instanceof Set) {
      const set = keep(new Set<Saved>());
      for (const inner of item) set.add(this.build(inner, depth + 1));
      return set;
    }
    if (item instanceof Map) return this.#dictionary(item, keep, depth);
    if (!("kind" in item)) return item;
    switch (item.kind) {
      case "tensor":
        return keep(this.#tensor(item));
      case "dtype":
        return item.dtype;
      default: {
        const what = item.kind === "storage" ? "a storage" : "a function or class";
        throw new PickleError(this.file, "value", `is ${what} without a tensor.`, "Save tensors instead.");
      }
    }
  }

  #dictionary(item: Map<Item, Item>, keep: <T extends Saved>(made: T) => T, depth: number): Saved {
    if ([...item.keys()].every((key) => typeof key === "string")) {
      const object = keep<Record<string, Saved>>({});
      for (const [key, value] of item) {
        // An entry of this name is an entry, not the object's prototype.
        Object.defineProperty(object, key as string, {
          value: this.build(value, depth + 1),
          writable: true,
          enumerable: true,
          configurable: true,
        });
      }
      return object;
    }
    const map = keep(new Map<Saved, Saved>());
    for (const [key, value] of item) map.set(this.build(key, depth + 1), this.build(value, depth + 1));
    return map;
  }

  #tensor(spec: TensorSpec): Tensor {
    const { shape, stride, dtype, storage } = spec;
    const offset = spec.offset + storage.viewOffset;
    const bytes = this.#bytesOf(storage);
    const itemSize = itemSizeOf(dtype);
    const isEmpty = shape.includes(0);
    // A dimension of one element may have any stride: weights that were permuted before they were saved have large ones.
    const span = shape.reduce((product, size) => product * Math.max(size, 1), itemSize);
    const largest = Math.max(span, ...stride);
    if (shape.length > MOST_DIMENSIONS || largest > Number.MAX_SAFE_INTEGER)
      throw new PickleError(this.file, "tensor", `has the shape [${shape}], strides [${stride}].`, DAMAGED);
    // In floating point, so that no product passes the range of whole numbers unnoticed.
    const reach = isEmpty ? 0 : offset + 1 + shape.reduce((sum, size, i) => sum + (size - 1) * stride[i]!, 0);
    if (reach * itemSize > bytes.numel) {
      const problem = `has ${bytes.numel} bytes, but a ${dtype} tensor of shape [${shape}] reaches to byte ${reach * itemSize}.`;
      throw new PickleError(this.file, `storage "${storage.key}"`, problem, DAMAGED);
    }
    const whole = call("aten::view.dtype", this.#aligned(bytes, itemSize), dtype) as Tensor;
    let made = isEmpty
      ? empty(shape, { dtype, device: this.device })
      : whole.asStrided(shape, stride, { storageOffset: offset });
    if (spec.conj) made = made._conj();
    if (spec.neg) made = made._negView();
    if (spec.isParameter) return parameter(made, { requiresGrad: spec.requiresGrad });
    return spec.requiresGrad ? made.requiresGrad_() : made;
  }

  /** Without a rest that is no element: an untyped storage may have any size. */
  #aligned(bytes: Tensor, itemSize: number): Tensor {
    const rest = bytes.numel % itemSize;
    return rest === 0 ? bytes : bytes.narrow(0, 0, bytes.numel - rest);
  }

  #bytesOf({ key, dtype, elements, viewOffset }: StorageName): Tensor {
    const known = this.#storages.get(key);
    if (known) return known;
    const place = this.places.get(key);
    const part = `storage "${key}"`;
    if (!place) throw new PickleError(this.file, part, "is not in the file.", DAMAGED);
    const needed = elements * (dtype === undefined ? 1 : itemSizeOf(dtype));
    if (viewOffset === 0 && needed > place.bytes) {
      throw new PickleError(
        this.file,
        part,
        `has ${place.bytes} bytes, not the ${needed} of ${elements} elements.`,
        DAMAGED,
      );
    }
    const storage = empty([place.bytes], { dtype: "uint8" });
    const chunk = new Uint8Array(Math.min(place.bytes, CHUNK));
    for (let done = 0; done < place.bytes; done += chunk.length) {
      const count = Math.min(chunk.length, place.bytes - done);
      const now = chunk.subarray(0, count);
      readInto(this.descriptor, now, place.begin + done, this.file, part);
      scope(() => void storage.narrow(0, done, count).copy_(fromTyped(now, [count])));
    }
    const placed = this.device === "cpu" ? storage : storage.to(this.device);
    this.#storages.set(key, placed);
    return placed;
  }
}

function open(path: string): number {
  try {
    // Before it is opened: that would wait for the other end of a named pipe.
    if (!statSync(path).isFile()) throw new Error("it is no regular file");
    return openSync(path, "r");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PickleError(path, "file", `cannot be opened (${reason}).`, "Check the path.", { cause });
  }
}
