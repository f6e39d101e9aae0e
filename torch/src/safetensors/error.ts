import { FileError } from "../file-error.ts";

/**
 * A safetensors file that cannot be read or written; `field` is for example `header length` or
 * `tensor "conv.weight", data_offsets`.
 */
export class SafetensorsError extends FileError {
  override readonly name = "SafetensorsError";
}
