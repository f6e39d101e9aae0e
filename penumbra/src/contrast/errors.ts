/** Something the contrastive classifier cannot work with: says what, where, and what to do. */
export class ContrastError extends Error {
  override readonly name = "ContrastError";
}
