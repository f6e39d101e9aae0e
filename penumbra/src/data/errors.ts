/** A folder or a wish that no study can be made of. The message says what is wrong, where, and what to do. */
export class DataError extends Error {
  override readonly name = "DataError";
}
