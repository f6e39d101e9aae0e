import { FileError } from "../file-error.ts";

/** A file of `torch.save` that cannot be read or written; `field` is for example `data.pkl, byte 17` or `storage "3"`. */
export class PickleError extends FileError {
  override readonly name = "PickleError";
}

export const DAMAGED = "The file is damaged or no file of torch.save: fetch or write it again.";
