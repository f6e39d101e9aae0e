/** Something that a generator cannot learn from or write. The message says what is wrong, where, and what to do. */
export class GeneratorError extends Error {
  override readonly name = "GeneratorError";
}
