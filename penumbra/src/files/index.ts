/** Files: whole or not at all, JSON of the project's own, the wire format of protobuf, and the canonical hash that names things by what they are. */

export { ASIDE_ENDING } from "./aside.ts";
export { canonicalJson, hashOf, type Json } from "./hash.ts";
export { readJson, readJsonLines, writeJsonLines } from "./json.ts";
export { Message } from "./protobuf.ts";
export { type WriteFileOptions, writeFileAtomic, writeFileAtomicSync } from "./write-file.ts";
export { writeFolder, writeFolderAsync } from "./write-folder.ts";
