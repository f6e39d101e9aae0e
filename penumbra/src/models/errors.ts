/** A network that cannot be built, read or written. The message says what is wrong, where, and what to do. */
export class ModelError extends Error {
  override readonly name = "ModelError";
}
