/**
 * A file of `torch.save` that cannot be read or written. The message says what is wrong, in which file and part,
 * and what to do.
 */
export class PickleError extends Error {
  override readonly name = "PickleError";
  readonly file: string;
  /** The part at fault, for example `data.pkl, byte 17` or `storage "3"`. */
  readonly field: string;

  constructor(file: string, field: string, problem: string, remedy: string, options?: ErrorOptions) {
    super(`${file}: ${field}: ${problem} ${remedy}`, options);
    this.file = file;
    this.field = field;
  }
}

export const DAMAGED = "The file is damaged or no file of torch.save: fetch or write it again.";
