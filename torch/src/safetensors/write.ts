import { dirname } from "node:path";
import { cannotWrite } from "../file-error.ts";
import type { Tensor } from "../tensor/index.ts";
import { allocate, native, scope } from "../tensor/index.ts";
import { syncFolder, writeAll, writeWholeFile } from "../whole-file.ts";
import { SafetensorsError } from "./error.ts";
import { MAX_HEADER_BYTES, storageTypes } from "./header.ts";

/**
 * Writes tensors into a safetensors file: aside, flushed to the disk, then renamed, so that a crash leaves the old
 * file or the new one. Tensors may lie on any device and in any memory layout; views are written as what they show.
 * Larger element types come first, so that each tensor lies where it can be mapped into memory.
 *
 * @param metadata strings to keep with them, for example `{ format: "pt" }`, which some readers ask for
 * @throws SafetensorsError for a dtype that the format lacks, a reserved name, metadata that is no string, or
 *   when the file cannot be written; nothing is left behind then
 * @example safetensors.write("model.safetensors", model.stateDict(), { steps: "1000" });
 */
export function write(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const entries = Object.entries(tensors)
    .map(([name, tensor]) => ({ name, tensor, ...storageOf(name, tensor, path) }))
    .sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
  const header = headerOf(entries, metadata, path);
  try {
    writeWholeFile(path, (descriptor) => {
      writeAll(descriptor, header);
      for (const { tensor } of entries) writeTensor(descriptor, tensor);
    });
  } catch (cause) {
    throw new SafetensorsError(path, ...cannotWrite(cause));
  }
  syncFolder(dirname(path));
}

interface Entry {
  readonly name: string;
  readonly tensor: Tensor;
  /** The format's name of the element type. */
  readonly type: string;
  /** Of one element. */
  readonly bytes: number;
}

const typeNames = new Map([...storageTypes].map(([type, { dtype, bytes }]) => [dtype, { type, bytes }]));

function storageOf(name: string, tensor: Tensor, path: string): { type: string; bytes: number } {
  if (name === "__metadata__") {
    throw new SafetensorsError(
      path,
      `tensor "${name}"`,
      "is a name that the format reserves.",
      "Choose another one.",
    );
  }
  const storage = typeNames.get(tensor.dtype);
  if (storage) return storage;
  const known = [...typeNames.keys()].join(", ");
  const problem = `the format has no dtype ${tensor.dtype}.`;
  throw new SafetensorsError(
    path,
    `tensor ${JSON.stringify(name)}`,
    problem,
    `Convert it to one of ${known}.`,
  );
}

function headerOf(
  entries: readonly Entry[],
  metadata: Readonly<Record<string, string>>,
  path: string,
): Buffer {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value === "string") continue;
    throw new SafetensorsError(
      path,
      `__metadata__, ${JSON.stringify(key)}`,
      "is no string.",
      "Convert it to one.",
    );
  }
  let begin = 0;
  const lines: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  for (const { name, tensor, type, bytes } of entries) {
    const end = begin + tensor.numel * bytes;
    lines.push([name, { dtype: type, shape: tensor.shape, data_offsets: [begin, end] }]);
    begin = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(lines)), "utf8");
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > MAX_HEADER_BYTES) {
    const problem = `${padded} bytes are more than the ${MAX_HEADER_BYTES} allowed.`;
    throw new SafetensorsError(path, "header length", problem, "Write fewer tensors or shorter metadata.");
  }
  const header = Buffer.alloc(8 + padded, " "); // the padding puts the data on a multiple of eight
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, 8);
  return header;
}

/** Goes through a buffer of this size, so that writing needs no memory of the size of a tensor. */
const CHUNK_BYTES = 2 ** 22;

function writeTensor(descriptor: number, tensor: Tensor): void {
  if (tensor.numel === 0) return;
  scope(() => {
    const flat = tensor.detach().to("cpu").resolveConj().resolveNeg().contiguous();
    const size = native.byteLength(flat);
    const chunk = allocate(Math.min(size, CHUNK_BYTES));
    for (let begin = 0; begin < size; begin += chunk.length) {
      const part = chunk.subarray(0, size - begin);
      native.readBytes(flat, part, begin);
      writeAll(descriptor, part);
    }
  });
}
