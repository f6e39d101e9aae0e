/** Something no detector can be fitted on or score: says what, where, and what to do. */
export class UnknownsError extends Error {
  override readonly name = "UnknownsError";
}
