/** Quality of generated images: how far they are from real ones, by the features of a frozen network. */

export { QualityError } from "./errors.ts";
export { fid } from "./fid.ts";
export { type Kid, type KidOptions, kid } from "./kid.ts";
export { type PrecisionRecall, precisionRecall } from "./precision-recall.ts";
