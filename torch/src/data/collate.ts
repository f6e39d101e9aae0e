import {
  type DType,
  fromTyped,
  isTensor,
  stack,
  type Tensor,
  TorchError,
  type TypedArray,
  tensor,
} from "../tensor/index.ts";

/** What a batch of such items is. */
export type Collated<Item> = Item extends Tensor | number | bigint | boolean | TypedArray
  ? Tensor
  : Item extends string
    ? string[]
    : { -readonly [K in keyof Item]: Collated<Item[K]> };

export interface CollateOptions {
  /**
   * The dtypes of numbers, by where they stand in an item: `{ label: "int64" }`, `{ "boxes.0": "int32" }`, `{ "": "int64" }`
   * where the item is a number itself. Default float32, as `tensor` has it: a label that is to be an index needs its own.
   */
  dtypes?: Readonly<Record<string, DType>>;
}

/**
 * Puts items together to a batch: tensors and typed arrays are stacked [...] -> [B, ...], numbers, bigints and booleans
 * become a tensor [B] (float32 or as `dtypes` says, int64, bool), strings a list; arrays and plain objects are batched part by part.
 *
 * @throws TorchError for no items, where items differ in kind, shape, keys or length, for other kinds of values, and for a
 *   place in `dtypes` where no numbers are
 */
export function collate<Item>(items: readonly Item[], { dtypes = {} }: CollateOptions = {}): Collated<Item> {
  const used = new Set<string>();
  const batch = collated(items, "", (path) => {
    used.add(path);
    return dtypes[path] ?? "float32";
  });
  const unused = Object.keys(dtypes).find((path) => !used.has(path));
  if (unused === undefined) return batch as Collated<Item>;
  throw new TorchError(
    `collate: dtypes names "${unused}", where the items have no numbers. Numbers are at ${[...used].map((path) => `"${path}"`).join(", ") || "no place"}.`,
  );
}

function collated(values: readonly unknown[], path: string, dtypeAt: (path: string) => DType): unknown {
  const kind = commonKind(values, path);
  switch (kind) {
    case "a tensor":
      return stack(sameShape(values as Tensor[], (value) => value.shape, path));
    case "a typed array":
      return stacked(values as TypedArray[], path);
    case "a number":
      return tensor(values as number[], { dtype: dtypeAt(path) });
    case "a bigint":
    case "a boolean":
      return tensor(values as bigint[] | boolean[]);
    case "a string":
      return values;
    case "an array": {
      const [first] = sameShape(values as unknown[][], ({ length }) => [length], path) as [unknown[]];
      return first.map((_, i) =>
        collated(
          (values as unknown[][]).map((value) => value[i]),
          join(path, String(i)),
          dtypeAt,
        ),
      );
    }
    default:
      return byKey(values as Record<string, unknown>[], path, dtypeAt);
  }
}

type Kind =
  | `a ${"tensor" | "typed array" | "number" | "bigint" | "boolean" | "string"}`
  | "an array"
  | "an object";

function kindOf(value: unknown): Kind | undefined {
  const kind = typeof value;
  if (kind === "number" || kind === "bigint" || kind === "boolean" || kind === "string") return `a ${kind}`;
  if (kind !== "object" || value === null) return undefined;
  if (isTensor(value)) return "a tensor";
  if (Array.isArray(value)) return "an array";
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return "a typed array";
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? "an object" : undefined;
}

function commonKind(values: readonly unknown[], path: string): Kind {
  if (values.length === 0) throw new TorchError("collate: there are no items to put together.");
  const kind = kindOf(values[0]);
  const other = values.findIndex((value) => kindOf(value) !== kind);
  const odd = kind === undefined ? 0 : other;
  if (kind !== undefined && odd < 0) return kind;
  const value = values[odd];
  const named = kindOf(value) ?? (value instanceof Object ? `a ${value.constructor.name}` : String(value));
  throw new TorchError(
    `collate: ${at(path)}item ${odd} of the batch has ${named}${kind ? `, and the first one ${kind}` : ""}. ` +
      "Give items of one kind out of tensors, typed arrays, numbers, strings, arrays and plain objects, or the loader a collate function.",
  );
}

/** @throws TorchError where one is of another shape than the first */
function sameShape<Value>(
  values: readonly Value[],
  shapeOf: (value: Value) => readonly number[],
  path: string,
): readonly Value[] {
  const wanted = shapeOf(values[0]!);
  const odd = values.findIndex((value) => {
    const shape = shapeOf(value);
    return shape.length !== wanted.length || shape.some((size, dim) => size !== wanted[dim]);
  });
  if (odd < 0) return values;
  throw new TorchError(
    `collate: ${at(path)}item ${odd} of the batch has the shape [${shapeOf(values[odd]!).join(", ")}], and the first one [${wanted.join(", ")}]. ` +
      "Give all items one shape (resize, crop, nn.padSequence), or the loader a collate function.",
  );
}

function stacked(arrays: readonly TypedArray[], path: string): Tensor {
  const [first] = sameShape(arrays, ({ length }) => [length], path) as [TypedArray];
  const odd = arrays.findIndex((array) => array[Symbol.toStringTag] !== first[Symbol.toStringTag]);
  if (odd >= 0)
    throw new TorchError(
      `collate: ${at(path)}item ${odd} of the batch has a ${arrays[odd]![Symbol.toStringTag]}, and the first one a ${first[Symbol.toStringTag]}. Use one kind.`,
    );
  const all = new (first.constructor as new (length: number) => Uint8Array)(arrays.length * first.length);
  arrays.forEach((array, i) => void all.set(array as Uint8Array, i * first.length));
  return fromTyped(all, [arrays.length, first.length]);
}

function byKey(
  values: readonly Record<string, unknown>[],
  path: string,
  dtypeAt: (path: string) => DType,
): Record<string, unknown> {
  const keys = Object.keys(values[0]!);
  const odd = values.findIndex(
    (value) => Object.keys(value).length !== keys.length || keys.some((key) => !Object.hasOwn(value, key)),
  );
  if (odd >= 0)
    throw new TorchError(
      `collate: ${at(path)}item ${odd} of the batch has the keys ${Object.keys(values[odd]!).join(", ")}, and the first one ${keys.join(", ")}. Give all items the same keys.`,
    );
  const column = (key: string) => values.map((value) => value[key]);
  return Object.fromEntries(keys.map((key) => [key, collated(column(key), join(path, key), dtypeAt)]));
}

const join = (path: string, part: string): string => (path === "" ? part : `${path}.${part}`);
const at = (path: string): string => (path === "" ? "" : `at "${path}", `);
