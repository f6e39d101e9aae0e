/** Features of which no distance can be computed. */
export class QualityError extends Error {
  override readonly name = "QualityError";
}
