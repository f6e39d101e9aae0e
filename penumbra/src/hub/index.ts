/** Files that people publish on the Hugging Face hub, in the cache that Python's huggingface_hub keeps. */

export { HubError } from "./errors.ts";
export { type HubFile, type HubRequest, type LocateRequest, locate } from "./locate.ts";
export { type HubName, isHubName, parseHubName } from "./name.ts";
export { type HubSettings, hubSettings } from "./settings.ts";
