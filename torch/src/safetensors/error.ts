/**
 * A safetensors file that cannot be read or written. The message says what is wrong, in which file and field,
 * and what to do.
 */
export class SafetensorsError extends Error {
  override readonly name = "SafetensorsError";
  readonly file: string;
  /** The part at fault, for example `header length` or `tensor "conv.weight", data_offsets`. */
  readonly field: string;

  constructor(file: string, field: string, problem: string, remedy: string, options?: ErrorOptions) {
    super(`${file}: ${field}: ${problem} ${remedy}`, options);
    this.file = file;
    this.field = field;
  }
}
