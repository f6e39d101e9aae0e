/** Something that diffusion cannot do or read. The message says what is wrong, where, and what to do. */
export class DiffusionError extends Error {
  override readonly name = "DiffusionError";
}
