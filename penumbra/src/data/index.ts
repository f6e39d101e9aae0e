/** Data: a folder of photos becomes a manifest, splits by physical object, decoded pixels and batches. */
export {
  type AllowedImages,
  allowedImages,
  BROUGHT,
  type BroughtImage,
  type BroughtImageLine,
  readBroughtImages,
} from "./brought-images.ts";
export { mapConcurrently } from "./concurrent.ts";
export { type DecodePhotosOptions, decodePhotos } from "./decode-cache.ts";
export { type DrawImagesOptions, drawImages, withFile } from "./draw-images.ts";
export { DataError } from "./errors.ts";
export { findOddities, RECORDING_PATTERN } from "./findings.ts";
export { type Child, type Descendants, followParents, requireTrainParents } from "./follow.ts";
export { groupBy } from "./group.ts";
export { checkHealth, describeHealth, describeLeftOut, type Health, warningsOf } from "./health.ts";
export {
  IMAGE_KINDS,
  type ImageKind,
  type ImageLine,
  imageLines,
  type ParentPhoto,
  readManifest,
  writeManifest,
} from "./image-manifest.ts";
export { classesWithoutCompany, findLabelErrors } from "./label-errors.ts";
export { listPhotoFiles } from "./list-photo-files.ts";
export { hashMasks, readMasks } from "./masks.ts";
export { compareNatural } from "./natural.ts";
export { findLike, type LikePair } from "./near-duplicates.ts";
export { fixListOf, photoCheckOf } from "./photo-check.ts";
export { photosOfAllClasses } from "./photos-of-all-classes.ts";
export type { RoleSetting } from "./roles.ts";
export { ShuffledRounds } from "./rounds.ts";
export { type ScanOptions, scanPhotos } from "./scan.ts";
export { LAYOUTS, type Layout, type ObjectRule, readPhoto } from "./sources/index.ts";
export {
  byClass,
  GIVEN_USES,
  type GivenUse,
  type Split,
  type SplitName,
  type SplitOptions,
  splitByObject,
  splitForUse,
  type UseSplit,
  withShots,
} from "./split.ts";
export {
  type GivenSplit,
  type Manifest,
  type Photo,
  PROBLEM_TITLES,
  type Problem,
  type ProblemKind,
  ROLES,
  type Role,
} from "./types.ts";
