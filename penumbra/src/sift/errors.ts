/** Thrown for photos that nothing can be judged by. */
export class SiftError extends Error {
  override readonly name = "SiftError";
}
