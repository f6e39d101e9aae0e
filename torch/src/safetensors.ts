// Reads and writes safetensors files, sharded ones too; refuses malformed ones with a reason.
export { SafetensorsError } from "./safetensors/error.ts";
export { type Header, MAX_HEADER_BYTES, type TensorEntry } from "./safetensors/header.ts";
export { type ReadOptions, read, readHeader, type SafetensorsFile } from "./safetensors/read.ts";
export { write } from "./safetensors/write.ts";
