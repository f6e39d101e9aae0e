/** Files: whole or not at all, JSON of the project's own, and the canonical hash that names things by what they are. */
export { canonicalJson, hashOf, type Json } from "./hash.ts";
export { readJson, readJsonLines, writeFileAtomic, writeJsonLines } from "./json.ts";
export { writeAtomically } from "./write-file.ts";
export { writeFolder } from "./write-folder.ts";
