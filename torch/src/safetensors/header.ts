import type { DType } from "../tensor/index.ts";
import { SafetensorsError } from "./error.ts";

/** Where a tensor lies in a file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte, counted from the beginning of the file. */
  readonly begin: number;
  /** The byte after the last one. */
  readonly end: number;
}

/** What a safetensors file says about itself. */
export interface Header {
  /** By their order in the file. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** A header longer than this is refused, as the reference implementation does: it would be a decompression bomb. */
export const MAX_HEADER_BYTES = 100_000_000;

interface Storage {
  readonly dtype: DType;
  readonly bytes: number;
}

/** The format's names of element types. Its four- and six-bit floats have no counterpart in libtorch's strided tensors. */
export const storageTypes: ReadonlyMap<string, Storage> = new Map<string, Storage>([
  ["F64", { dtype: "float64", bytes: 8 }],
  ["F32", { dtype: "float32", bytes: 4 }],
  ["F16", { dtype: "float16", bytes: 2 }],
  ["BF16", { dtype: "bfloat16", bytes: 2 }],
  ["I64", { dtype: "int64", bytes: 8 }],
  ["I32", { dtype: "int32", bytes: 4 }],
  ["I16", { dtype: "int16", bytes: 2 }],
  ["I8", { dtype: "int8", bytes: 1 }],
  ["U64", { dtype: "uint64", bytes: 8 }],
  ["U32", { dtype: "uint32", bytes: 4 }],
  ["U16", { dtype: "uint16", bytes: 2 }],
  ["U8", { dtype: "uint8", bytes: 1 }],
  ["BOOL", { dtype: "bool", bytes: 1 }],
  ["C64", { dtype: "complex64", bytes: 8 }],
  ["F8_E4M3", { dtype: "float8_e4m3fn", bytes: 1 }],
  ["F8_E5M2", { dtype: "float8_e5m2", bytes: 1 }],
  ["F8_E4M3FNUZ", { dtype: "float8_e4m3fnuz", bytes: 1 }],
  ["F8_E5M2FNUZ", { dtype: "float8_e5m2fnuz", bytes: 1 }],
  ["F8_E8M0", { dtype: "float8_e8m0fnu", bytes: 1 }],
]);

const REMEDY = "The file is damaged or no safetensors file: fetch or write it again.";

/**
 * Reads the length of the header from the first eight bytes of a file (unsigned, little-endian).
 *
 * @param start the first eight bytes, or all there are
 * @param fileSize in bytes
 * @param file its name, for errors
 * @throws SafetensorsError when the file is too short for the header that it announces, or that one is over 100 MB
 */
export function headerLength(start: Uint8Array, fileSize: number, file: string): number {
  if (start.length < 8 || fileSize < 8) {
    throw new SafetensorsError(
      file,
      "header length",
      `the file has ${fileSize} bytes, fewer than the 8 of this field.`,
      REMEDY,
    );
  }
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    const problem = `${length} bytes are more than the ${MAX_HEADER_BYTES} allowed.`;
    throw new SafetensorsError(file, "header length", problem, REMEDY);
  }
  if (8 + Number(length) > fileSize) {
    const problem = `${length} bytes are more than the ${fileSize - 8} that follow.`;
    throw new SafetensorsError(file, "header length", problem, REMEDY);
  }
  return Number(length);
}

/**
 * Reads and checks a header: one JSON object, `{name: {dtype, shape, data_offsets: [begin, end]}}`, and under
 * `__metadata__` strings. The tensors must cover the rest of the file without gap or overlap.
 *
 * @param json the header's bytes, without the eight of its length
 * @param fileSize in bytes
 * @param file its name, for errors
 * @throws SafetensorsError naming the file and the field for everything that breaks the format
 */
export function parseHeader(json: Uint8Array, fileSize: number, file: string): Header {
  const fail = (field: string, problem: string, remedy = REMEDY): never => {
    throw new SafetensorsError(file, field, problem, remedy);
  };
  const root = parseObject(json, file);
  const dataStart = 8 + json.length;
  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(root)) {
    if (name !== "__metadata__") {
      tensors.push(parseEntry(name, value, dataStart, fail));
      continue;
    }
    if (!isObject(value)) return fail("__metadata__", "is no object of strings.");
    for (const [key, text] of Object.entries(value)) {
      if (typeof text !== "string") fail(`__metadata__, ${JSON.stringify(key)}`, "is no string.");
    }
    metadata = value as Record<string, string>;
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let reached = dataStart;
  for (const { name, begin, end } of tensors) {
    if (begin !== reached) {
      const difference =
        begin > reached ? `leaves a gap of ${begin - reached}` : `overlaps by ${reached - begin}`;
      fail(`tensor ${JSON.stringify(name)}, data_offsets`, `${difference} bytes after the tensor before it.`);
    }
    reached = end;
  }
  if (reached !== fileSize) {
    const problem = `the tensors end at byte ${reached}, but the file has ${fileSize}.`;
    const last = tensors.at(-1)?.name;
    fail(last === undefined ? "header" : `tensor ${JSON.stringify(last)}, data_offsets`, problem);
  }
  return { tensors, metadata };
}

type Fail = (field: string, problem: string, remedy?: string) => never;

function parseEntry(name: string, value: unknown, dataStart: number, fail: Fail): TensorEntry {
  const label = `tensor ${JSON.stringify(name)}`;
  if (!isObject(value)) return fail(label, "is no object.");
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string") return fail(`${label}, dtype`, "is missing or no string.");
  const storage = storageTypes.get(dtype);
  if (!storage) {
    const known = [...storageTypes.keys()].join(", ");
    return fail(
      `${label}, dtype`,
      `${JSON.stringify(dtype)} is not supported.`,
      `Convert it to one of ${known}.`,
    );
  }
  if (!isSizes(shape)) return fail(`${label}, shape`, "is missing or no list of whole numbers from 0 on.");
  // Counting sizes of 0 as 1 keeps libtorch's strides in range for empty tensors too.
  if (shape.reduce((product, size) => product * Math.max(size, 1), storage.bytes) > Number.MAX_SAFE_INTEGER) {
    return fail(`${label}, shape`, `[${shape}] has more elements than any file can hold.`);
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`${label}, data_offsets`, "is missing or no pair of whole numbers from 0 on.");
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin) return fail(`${label}, data_offsets`, `end (${end}) before begin (${begin}).`);
  const bytes = shape.reduce((product, size) => product * size, storage.bytes);
  if (end - begin !== bytes) {
    const problem = `span ${end - begin} bytes, but ${dtype} of shape [${shape}] needs ${bytes}.`;
    return fail(`${label}, data_offsets`, problem);
  }
  return { name, dtype: storage.dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

function parseObject(json: Uint8Array, file: string): Record<string, unknown> {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SafetensorsError(file, "header", `is no JSON in UTF-8 (${reason}).`, REMEDY, { cause });
  }
  if (!isObject(value)) throw new SafetensorsError(file, "header", "is no JSON object.", REMEDY);
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) {
    throw new SafetensorsError(file, "header", `the key ${JSON.stringify(duplicate)} occurs twice.`, REMEDY);
  }
  return value;
}

/** The first key that an object of a valid JSON text holds twice; JSON.parse silently takes the last. */
export function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | null)[] = []; // keys of each open object; null for an open list
  let isKeyNext = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : null);
      isKeyNext = character === "{";
    } else if (character === "}" || character === "]") {
      open.pop();
      isKeyNext = false;
    } else if (character === ",") {
      isKeyNext = open.at(-1) !== null;
    } else if (character === '"') {
      const begin = i++;
      while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
      if (!isKeyNext) continue;
      const key = JSON.parse(text.slice(begin, i + 1)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
      isKeyNext = false;
    }
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
