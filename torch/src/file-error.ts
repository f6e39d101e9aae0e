/** A file that cannot be read or written. The message says what is wrong, in which file and part, and what to do. */
export abstract class FileError extends Error {
  readonly file: string;
  /** The part at fault, as the kind of file names its parts. */
  readonly field: string;

  constructor(file: string, field: string, problem: string, remedy: string, options?: ErrorOptions) {
    super(`${file}: ${field}: ${problem} ${remedy}`, options);
    this.file = file;
    this.field = field;
  }
}

/** What stopped the writing of a file, as the arguments of a `FileError` behind its path. */
export function cannotWrite(
  cause: unknown,
): [field: string, problem: string, remedy: string, options: ErrorOptions] {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return ["file", `cannot be written (${reason}).`, "Check the folder and the free space.", { cause }];
}
