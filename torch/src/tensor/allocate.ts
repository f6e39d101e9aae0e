import { markAsUntransferable } from "node:worker_threads";
import { TorchError } from "./errors.ts";

/**
 * Memory that the garbage collector knows, not cleared. The addon could hand out its own, but Node frees such buffers only
 * when the event loop turns: a synchronous loop would grow without bound.
 * @throws TorchError where there is not so much
 */
export function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return Buffer.allocUnsafeSlow(bytes) as Uint8Array<ArrayBuffer>;
  } catch (cause) {
    throw new TorchError(
      `No array of ${bytes} bytes can be had (${cause instanceof Error ? cause.message : cause}). Read the tensor in parts: narrow().`,
    );
  }
}

/** The same as a buffer that stays where it is: a tensor uses it too. */
export function allocateFixed(bytes: number): ArrayBuffer {
  const { buffer } = allocate(bytes);
  markAsUntransferable(buffer);
  const refuse = (): never => {
    throw new TorchError(
      "A tensor uses the memory of this buffer, which therefore cannot move. Copy it: slice().",
    );
  };
  for (const name of ["transfer", "transferToFixedLength"])
    Object.defineProperty(buffer, name, { value: refuse });
  return buffer;
}
