/** An image that cannot be read, written or transformed. The message says what is wrong, where, and what to do. */
export class ImageError extends Error {
  override readonly name = "ImageError";
}
