// Contrastive classifier: losses with negatives-only columns, training, frozen features and the linear probe on them.
export { crossEntropy } from "./cross-entropy.ts";
export { ContrastError } from "./errors.ts";
export { type Collapse, detectCollapse, type PlateauSettings, supConPlateau } from "./plateau.ts";
export { type SupConOptions, sourceClassMask, supCon, supConPerAnchor } from "./supcon.ts";
export { normalizeRows, requireUnitRows } from "./unit-rows.ts";
