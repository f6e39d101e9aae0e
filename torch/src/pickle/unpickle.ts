import type { DType } from "../tensor/index.ts";
import {
  fullName,
  type Global,
  globalOf,
  latin1,
  type PlainScalar,
  type StorageName,
  type TensorSpec,
} from "./globals.ts";
import type { ByteSource } from "./source.ts";

/** What a pickle is made of: lists and tuples are arrays, dictionaries are maps. */
export type Item =
  | PlainScalar
  | Uint8Array
  | Item[]
  | Map<Item, Item>
  | Set<Item>
  | TensorSpec
  | StorageName
  | Global;

/** Opcodes that plain data needs none of: they make objects of any class, or look names up in a table. */
const REFUSED: Readonly<Record<string, string>> = {
  i: "INST",
  o: "OBJ",
  "\x81": "NEWOBJ",
  "\x92": "NEWOBJ_EX",
  "\x82": "EXT1",
  "\x83": "EXT2",
  "\x84": "EXT4",
  P: "PERSID",
  "\x97": "NEXT_BUFFER",
  "\x98": "READONLY_BUFFER",
};

const REMEDY =
  "Load it in Python and save its tensors alone: torch.save(model.state_dict(), path), or as safetensors.";

/**
 * Reads one pickle of plain data and tensors, as torch.load does with weights_only: nothing that it names is run, and
 * every global and opcode that such data has no need of is refused.
 *
 * @returns what it holds, with tensors as descriptions; the source then stands after it
 * @throws PickleError naming the place, and the global or opcode that is refused
 */
export function unpickle(source: ByteSource): Item {
  const stack: Item[] = [];
  const marks: number[] = [];
  const memo = new Map<number, Item>();

  const pop = (): Item => (stack.length > (marks.at(-1) ?? 0) ? stack.pop()! : source.fail("pops nothing."));
  const top = (): Item => (stack.length > (marks.at(-1) ?? 0) ? stack.at(-1)! : source.fail("has no value."));
  const popMark = (): Item[] => stack.splice(marks.pop() ?? source.fail("has no mark."));
  const get = (index: number): void => {
    const item = memo.get(index);
    if (item === undefined) source.fail(`recalls value ${index}, which was never kept.`);
    stack.push(item!);
  };
  const uint = (bytes: 1 | 2 | 4): number => source.take(bytes).readUIntLE(0, bytes);
  /** Lengths of 64 bits. */
  const long = (): number => {
    const length = source.take(8).readBigUInt64LE();
    return length > BigInt(Number.MAX_SAFE_INTEGER)
      ? source.fail(`has a length of ${length}.`)
      : Number(length);
  };
  const utf8 = (length: number): string => source.take(length).toString("utf8");
  const add = (items: Item[]): void => {
    const list = top();
    if (!Array.isArray(list)) source.fail("appends to what is no list.");
    else for (const item of items) list.push(item);
  };
  const set = (pairs: Item[]): void => {
    const map = top();
    if (!(map instanceof Map) || pairs.length % 2 !== 0) source.fail("sets entries of no dictionary.");
    else for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i]!, pairs[i + 1]!);
  };
  const global = (module: string, name: string): Item =>
    globalOf(module, name) ??
    source.fail(
      `names ${fullName(module, name)}, which plain data has no need of and could run code.`,
      REMEDY,
    );

  for (;;) {
    const code = source.take(1).toString("latin1");
    switch (code) {
      case "\x80": {
        const protocol = uint(1);
        if (protocol > 5) source.fail(`has the protocol ${protocol}.`);
        break;
      }
      case "\x95":
        long();
        break;
      case ".": {
        const result = pop();
        if (stack.length > 0 || marks.length > 0) source.fail("leaves values behind.");
        return result;
      }
      case "(":
        marks.push(stack.length);
        break;
      case "0":
        pop();
        break;
      case "1":
        popMark();
        break;
      case "2":
        stack.push(top());
        break;
      case "N":
        stack.push(null);
        break;
      case "\x88":
        stack.push(true);
        break;
      case "\x89":
        stack.push(false);
        break;
      case "K":
        stack.push(uint(1));
        break;
      case "M":
        stack.push(uint(2));
        break;
      case "J":
        stack.push(source.take(4).readInt32LE());
        break;
      case "\x8a":
        stack.push(integer(source.take(uint(1))));
        break;
      case "\x8b":
        stack.push(integer(source.take(uint(4))));
        break;
      case "G":
        stack.push(source.take(8).readDoubleBE());
        break;
      case "X":
        stack.push(utf8(uint(4)));
        break;
      case "\x8c":
        stack.push(utf8(uint(1)));
        break;
      case "\x8d":
        stack.push(utf8(long()));
        break;
      // Strings of Python 2.
      case "U":
        stack.push(utf8(uint(1)));
        break;
      case "T":
        stack.push(utf8(uint(4)));
        break;
      case "C":
        stack.push(new Uint8Array(source.take(uint(1))));
        break;
      case "B":
        stack.push(new Uint8Array(source.take(uint(4))));
        break;
      case "\x8e":
      case "\x96":
        stack.push(new Uint8Array(source.take(long())));
        break;
      case "]":
      case ")":
        stack.push([]);
        break;
      case "}":
        stack.push(new Map());
        break;
      case "\x8f":
        stack.push(new Set());
        break;
      case "l":
      case "t":
        stack.push(popMark());
        break;
      case "\x91":
        stack.push(new Set(popMark()));
        break;
      case "d": {
        const pairs = popMark();
        stack.push(new Map());
        set(pairs);
        break;
      }
      case "\x85":
      case "\x86":
      case "\x87": {
        const count = code.charCodeAt(0) - 0x84;
        if (stack.length - (marks.at(-1) ?? 0) < count) source.fail("makes a tuple of fewer values.");
        stack.push(stack.splice(-count));
        break;
      }
      case "a":
        add([pop()]);
        break;
      case "e":
        add(popMark());
        break;
      case "s": {
        const value = pop();
        set([pop(), value]);
        break;
      }
      case "u":
        set(popMark());
        break;
      case "\x90": {
        const items = popMark();
        const into = top();
        if (!(into instanceof Set)) source.fail("adds to what is no set.");
        else for (const item of items) into.add(item);
        break;
      }
      case "q":
        memo.set(uint(1), top());
        break;
      case "r":
        memo.set(uint(4), top());
        break;
      case "\x94":
        memo.set(memo.size, top());
        break;
      case "h":
        get(uint(1));
        break;
      case "j":
        get(uint(4));
        break;
      case "c": {
        const module = source.line();
        stack.push(global(module, source.line()));
        break;
      }
      case "\x93": {
        const name = pop();
        const module = pop();
        if (typeof name !== "string" || typeof module !== "string") source.fail("names a global by no text.");
        else stack.push(global(module, name));
        break;
      }
      case "Q":
        stack.push(storageOf(pop(), source));
        break;
      case "R": {
        const args = pop();
        const callee = pop();
        if (!Array.isArray(args) || !isKind(callee, "function")) source.fail("calls what is no function.");
        else stack.push(applied(callee.name, args, source));
        break;
      }
      case "b": {
        // A state dict carries attributes of its own, the versions of its modules: they are no entries.
        pop();
        if (!(top() instanceof Map))
          source.fail("gives attributes to what is no OrderedDict (opcode BUILD).", REMEDY);
        break;
      }
      default: {
        const byte = `0x${code.charCodeAt(0).toString(16).padStart(2, "0")}`;
        if (Object.hasOwn(REFUSED, code)) {
          source.fail(`has the opcode ${REFUSED[code]} (${byte}), which plain data has no need of.`, REMEDY);
        }
        source.fail(`has the byte ${byte}, which is no opcode that torch.save writes.`);
      }
    }
  }
}

/** A whole number of any length, little-endian in two's complement. */
function integer(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  value = BigInt.asIntN(8 * bytes.length, value);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function isKind<Kind extends "tensor" | "storage" | "function" | "dtype" | "storageType">(
  item: Item | undefined,
  kind: Kind,
): item is Extract<Item, { kind: Kind }> {
  return typeof item === "object" && item !== null && "kind" in item && item.kind === kind;
}

const isCount = (item: Item | undefined): item is number =>
  typeof item === "number" && Number.isSafeInteger(item) && item >= 0;
const isSizes = (item: Item | undefined): item is number[] => Array.isArray(item) && item.every(isCount);

/** `("storage", class, key, device, elements)`, with the view's place at the end in files before PyTorch 1.6. */
function storageOf(id: Item, source: ByteSource): StorageName {
  const [word, type, key, location, elements, view] = Array.isArray(id) ? id : [];
  const isPlain = word === "storage" && isKind(type, "storageType") && typeof key === "string";
  if (!isPlain || typeof location !== "string" || !isCount(elements))
    return source.fail("has a persistent id that is no storage.");
  let viewOffset = 0;
  if (view !== undefined && view !== null) {
    const offset = Array.isArray(view) ? view[1] : undefined;
    if (!isCount(offset)) return source.fail("has a storage that is a malformed view of another.");
    viewOffset = offset;
  }
  return { kind: "storage", key, dtype: type.dtype, elements, viewOffset };
}

/** What a call of one of the known functions gives. */
function applied(name: string, args: Item[], source: ByteSource): Item {
  const [first, second] = args;
  const malformed = () => source.fail(`calls ${name} with arguments that it does not take.`);
  switch (name) {
    case "collections.OrderedDict": {
      if (first === undefined) return new Map();
      const isPairs = Array.isArray(first) && first.every((pair) => Array.isArray(pair) && pair.length === 2);
      return isPairs ? new Map(first as [Item, Item][]) : malformed();
    }
    case "torch.Size":
      return isSizes(first) ? first : malformed();
    case "torch.device":
      if (typeof first !== "string") return malformed();
      return isCount(second) ? `${first}:${second}` : first;
    case "builtins.set":
    case "builtins.frozenset":
      if (first === undefined) return new Set();
      return Array.isArray(first) ? new Set(first) : malformed();
    case "builtins.complex":
      return typeof first === "number" && typeof second === "number"
        ? { real: first, imag: second }
        : malformed();
    case "builtins.bytearray": {
      if (first === undefined) return new Uint8Array();
      if (first instanceof Uint8Array) return first;
      return (
        (typeof first === "string" && second === "latin-1" ? latin1(first) : encoded(first, second)) ??
        malformed()
      );
    }
    case "_codecs.encode":
      return encoded(first, second) ?? malformed();
    case "torch._utils._rebuild_parameter": {
      if (!isKind(first, "tensor") || typeof second !== "boolean") return malformed();
      return { ...first, isParameter: true, requiresGrad: second };
    }
    case "torch._utils._rebuild_tensor":
      return tensorOf(args.slice(0, 4), false, undefined, null) ?? malformed();
    case "torch._utils._rebuild_tensor_v2":
      return tensorOf(args.slice(0, 4), args[4], undefined, args[6]) ?? malformed();
    case "torch._utils._rebuild_tensor_v3": {
      const dtype = args[6];
      if (!isKind(dtype, "dtype")) return malformed();
      return tensorOf(args.slice(0, 4), args[4], dtype.dtype, args[7]) ?? malformed();
    }
    default:
      return malformed();
  }
}

const encoded = (text: Item | undefined, encoding: Item | undefined): Uint8Array | undefined =>
  typeof text === "string" && encoding === "latin1" ? latin1(text) : undefined;

function tensorOf(
  [storage, offset, shape, stride]: Item[],
  requiresGrad: Item | undefined,
  given: DType | undefined,
  metadata: Item | undefined,
): TensorSpec | undefined {
  if (!isKind(storage, "storage") || !isCount(offset) || !isSizes(shape) || !isSizes(stride))
    return undefined;
  const dtype = given ?? storage.dtype;
  if (dtype === undefined || shape.length !== stride.length || typeof requiresGrad !== "boolean")
    return undefined;
  const flags = metadata instanceof Map ? metadata : new Map<Item, Item>();
  return {
    kind: "tensor",
    storage,
    dtype,
    offset,
    shape,
    stride,
    requiresGrad,
    isParameter: false,
    conj: flags.get("conj") === true,
    neg: flags.get("neg") === true,
  };
}
