/** Sift: how near to which class an image lies, by real photos alone, and what it may therefore be used as. */

export { type Band, type Judged, ROLES_OF_IMAGES, type Role, roleOf, type Verdict } from "./band.ts";
export { SiftError } from "./errors.ts";
export { foldsOf } from "./folds.ts";
export { fitNearness, type LabelledStages, type Nearness, type NearnessOptions } from "./nearness.ts";
export { type StrengthSearch, searchStrengths } from "./search.ts";
