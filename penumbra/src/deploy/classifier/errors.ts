/** Thrown when a classifier cannot be read, written or asked. */
export class DeployError extends Error {
  override readonly name = "DeployError";
}
