/** Weights that are no numbers: one of them makes every image of a model black, or a training diverge. */
import { type FileHandle, open } from "node:fs/promises";
import { safetensors } from "@penumbra/torch";

type Entry = ReturnType<typeof safetensors.readHeader>["tensors"][number];

/** Whether a stored value is infinite or not a number: all bits of its exponent are set (IEEE 754, 3.4; bfloat16). */
const SCANS: Readonly<Record<string, (bytes: Uint8Array) => boolean>> = {
  float32: (bytes) => {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return hasExponent(words, 0x7f800000);
  },
  float16: (bytes) => hasExponent(halves(bytes), 0x7c00),
  bfloat16: (bytes) => hasExponent(halves(bytes), 0x7f80),
};

const CHUNK_BYTES = 2 ** 22;

/**
 * The first tensor of a safetensors file that holds a value that is infinite or not a number, without the engine.
 * Types other than float32, float16 and bfloat16 are passed over.
 *
 * @returns its name, or undefined where every value is finite
 * @throws SafetensorsError where the file's header is damaged
 */
export async function firstNonFinite(path: string): Promise<string | undefined> {
  const { tensors } = safetensors.readHeader(path);
  const file = await open(path);
  try {
    const chunk = new Uint8Array(CHUNK_BYTES); // its memory begins at a multiple of every size
    for (const entry of tensors) if (await isNonFinite(file, entry, chunk)) return entry.name;
    return undefined;
  } finally {
    await file.close();
  }
}

async function isNonFinite(
  file: FileHandle,
  { dtype, begin, end }: Entry,
  chunk: Uint8Array,
): Promise<boolean> {
  const scan = SCANS[dtype];
  if (!scan) return false;
  for (let at = begin; at < end; ) {
    const wanted = Math.min(chunk.length, end - at);
    if (!(await fill(file, chunk.subarray(0, wanted), at))) return false; // shortened meanwhile: loading says so
    if (scan(chunk.subarray(0, wanted))) return true;
    at += wanted;
  }
  return false;
}

/** Reads until the part is full; false where the file ends before. */
async function fill(file: FileHandle, part: Uint8Array, position: number): Promise<boolean> {
  for (let done = 0; done < part.length; ) {
    const { bytesRead } = await file.read(part, done, part.length - done, position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

function halves(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}

function hasExponent(words: Uint16Array | Uint32Array, exponent: number): boolean {
  for (let i = 0; i < words.length; i++) if ((words[i]! & exponent) === exponent) return true;
  return false;
}
