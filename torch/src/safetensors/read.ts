import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Device, Tensor } from "../tensor/index.ts";
import { allocate, call, native, scope } from "../tensor/index.ts";
import { SafetensorsError } from "./error.ts";
import { duplicateKey, type Header, headerLength, parseHeader, type TensorEntry } from "./header.ts";

export interface ReadOptions {
  /** Default "cpu". */
  device?: Device;
  /**
   * Maps the file into memory: nothing is read before it is used, and processes share the pages. Whoever shortens the
   * file or overwrites it in place while a tensor is in use, or takes its disk away, **ends this process** (SIGBUS) or
   * changes the tensor; only for files that are replaced as a whole, if ever. Default false: the bytes are copied.
   */
  mapped?: boolean;
}

export interface SafetensorsFile {
  readonly tensors: Record<string, Tensor>;
  readonly metadata: Record<string, string>;
}

/**
 * Reads the tensors of a safetensors file, or of all shards that a `*.index.json` names; for `model.safetensors`
 * that is not there, `model.safetensors.index.json` is taken where that is. Writing to a tensor does not change
 * the file. The caller owns the tensors (the surrounding scope does, if there is one).
 *
 * @throws SafetensorsError naming file and field for everything that breaks the format; nothing is read then
 * @example const { tensors, metadata } = safetensors.read("unet/diffusion_pytorch_model.safetensors");
 */
export function read(path: string, options: ReadOptions = {}): SafetensorsFile {
  const index = indexOf(path);
  if (index === undefined) return readFile(path, options);
  const shards = readIndex(index);
  return scope(() => {
    const tensors = new Map<string, Tensor>();
    const metadata: Record<string, string> = {};
    for (const [shard, names] of shards) {
      const file = readFile(join(dirname(index), shard), options);
      for (const [name, tensor] of Object.entries(file.tensors)) {
        if (tensors.has(name)) {
          const problem = `is in ${shard} and in another shard.`;
          throw new SafetensorsError(
            index,
            `tensor ${JSON.stringify(name)}`,
            problem,
            "Keep the shards of one model only.",
          );
        }
        tensors.set(name, tensor);
      }
      for (const name of names) {
        if (Object.hasOwn(file.tensors, name)) continue;
        const problem = `is not in ${shard}, where weight_map has it.`;
        throw new SafetensorsError(
          index,
          `tensor ${JSON.stringify(name)}`,
          problem,
          "Fetch index and shards again together.",
        );
      }
      Object.assign(metadata, file.metadata);
    }
    return { tensors: Object.fromEntries(tensors), metadata };
  });
}

/**
 * Reads and checks the header alone: names, dtypes, shapes, places and metadata.
 * @throws SafetensorsError as `read` does
 */
export function readHeader(path: string): Header {
  return withFile(path, (descriptor) => headerOf(descriptor, path));
}

function readFile(path: string, { device = "cpu", mapped = false }: ReadOptions): SafetensorsFile {
  return withFile(path, (descriptor) => {
    const { tensors: entries, metadata } = headerOf(descriptor, path);
    return scope(() => {
      const end = entries.at(-1)?.end ?? 0;
      const isEmpty = entries.every((entry) => entry.begin === entry.end);
      // A private mapping of the whole file: its start lies on a page, so that places in the file tell the alignment.
      const map = mapped && !isEmpty ? mapFile(path, end) : undefined;
      const tensors = entries.map((entry) => {
        const made = (map && viewOf(map, entry)) ?? streamed(descriptor, entry, path);
        return [entry.name, device === "cpu" ? made : made.to(device)] as const;
      });
      return { tensors: Object.fromEntries(tensors), metadata: { ...metadata } };
    });
  });
}

function mapFile(path: string, size: number): Tensor {
  return call("aten::from_file", resolve(path), { shared: false, size, dtype: "uint8" }) as Tensor;
}

/** The entry as a view of the mapped file, or undefined where its place suits no element of its size. */
function viewOf(map: Tensor, entry: TensorEntry): Tensor | undefined {
  const elements = entry.shape.reduce((product, size) => product * size, 1);
  if (elements === 0 || entry.begin % ((entry.end - entry.begin) / elements) !== 0) return undefined;
  const bytes = call("aten::slice.Tensor", map, { dim: 0, start: entry.begin, end: entry.end });
  return call("aten::view", call("aten::view.dtype", bytes, entry.dtype), entry.shape) as Tensor;
}

/** Bytes that are read at once on their way into a tensor: they stay in the processor's cache. */
const CHUNK_BYTES = 2 ** 20;

/** The entry read into memory of its own. */
function streamed(descriptor: number, entry: TensorEntry, path: string): Tensor {
  const made = call("aten::empty.memory_format", entry.shape, { dtype: entry.dtype }) as Tensor;
  const size = entry.end - entry.begin;
  const chunk = allocate(Math.min(size, CHUNK_BYTES));
  for (let begin = 0; begin < size; begin += chunk.length) {
    const part = chunk.subarray(0, size - begin);
    readInto(part, descriptor, entry.begin + begin, path);
    native.writeBytes(made, part, begin);
  }
  return made;
}

function headerOf(descriptor: number, path: string): Header {
  const { size } = fstatSync(descriptor);
  const length = headerLength(readBytes(descriptor, 0, Math.min(8, size), path), size, path);
  return parseHeader(readBytes(descriptor, 8, length, path), size, path);
}

function readBytes(descriptor: number, position: number, length: number, path: string): Uint8Array {
  const bytes = new Uint8Array(length);
  readInto(bytes, descriptor, position, path);
  return bytes;
}

function readInto(bytes: Uint8Array, descriptor: number, position: number, path: string): void {
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(descriptor, bytes, done, bytes.length - done, position + done);
    if (count === 0) {
      throw new SafetensorsError(
        path,
        "data",
        `ends at byte ${position + done} while being read.`,
        "Is it still being written?",
      );
    }
    done += count;
  }
}

function withFile<T>(path: string, use: (descriptor: number) => T): T {
  const descriptor = open(path);
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function open(path: string): number {
  try {
    checkIsFile(path);
    return openSync(path, "r");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SafetensorsError(path, "file", `cannot be opened (${reason}).`, "Check the path.", { cause });
  }
}

/** Before it is opened: that would wait for the other end of a named pipe. */
function checkIsFile(path: string): void {
  const kind = statSync(path);
  if (kind.isDirectory()) throw new Error("it is a folder");
  if (!kind.isFile()) throw new Error("it is a pipe or a device; copy what it gives into a file");
}

/** `model.safetensors.index.json`, and diffusers' form with a variant: `model.safetensors.index.fp16.json`. */
const INDEX = /\.index(\.[\w-]+)?\.json$/;

function indexOf(path: string): string | undefined {
  if (INDEX.test(path)) return path;
  return !existsSync(path) && existsSync(`${path}.index.json`) ? `${path}.index.json` : undefined;
}

/** The names of the tensors of each shard, by the shard's file name. */
function readIndex(path: string): Map<string, string[]> {
  const fail = (field: string, problem: string, cause?: unknown): never => {
    throw new SafetensorsError(path, field, problem, "Fetch the index file again.", { cause });
  };
  let text: string;
  let weightMap: unknown;
  try {
    checkIsFile(path);
    text = readFileSync(path, "utf8");
    weightMap = JSON.parse(text)?.weight_map;
  } catch (cause) {
    return fail("index", `cannot be read (${cause instanceof Error ? cause.message : cause}).`, cause);
  }
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) fail("index", `the key ${JSON.stringify(duplicate)} occurs twice.`);
  if (typeof weightMap !== "object" || weightMap === null || Array.isArray(weightMap)) {
    return fail("weight_map", "is missing or no object.");
  }
  const shards = new Map<string, string[]>();
  for (const [name, shard] of Object.entries(weightMap)) {
    // A shard lies beside its index: a path would let an index read any file.
    if (typeof shard !== "string" || shard !== basename(shard) || !shard.endsWith(".safetensors")) {
      return fail(
        `weight_map, ${JSON.stringify(name)}`,
        `${JSON.stringify(shard)} names no safetensors file in the same folder.`,
      );
    }
    const names = shards.get(shard);
    if (names) names.push(name);
    else shards.set(shard, [name]);
  }
  return shards;
}
