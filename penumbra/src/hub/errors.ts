/** Something is wrong with a name on the Hugging Face hub, or with what the hub answers. */
export class HubError extends Error {
  override readonly name = "HubError";
}
