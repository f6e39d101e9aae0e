// PyTorch's files: writes what Python's torch.load reads, and reads .pt, .pth and .bin without running anything in them.
export { PickleError } from "./error.ts";
export { type LoadOptions, load, type Saved } from "./load.ts";
export { save } from "./save.ts";
