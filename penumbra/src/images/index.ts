/** Images: files decoded and encoded, transforms of batches on tensors, and random augmentation. */
export { augment } from "./augment.ts";
export {
  AUGMENT_PRESETS,
  type AugmentChanges,
  type AugmentPreset,
  changesOf,
} from "./augment-presets.ts";
export { AUGMENT_PRESET_NAMES, type AugmentSpec, AugmentSpecSchema } from "./augment-spec.ts";
export { augmentedSheet } from "./augmented-sheet.ts";
export { gaussianBlur } from "./blur.ts";
export {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  type Factor,
  grayscale,
  luma,
} from "./colour.ts";
export { boxMask, cutout } from "./cutout.ts";
export {
  type DecodeOptions,
  decodeImage,
  decodeStrip,
  decodeWhole,
  FITS,
  type Fit,
  type ImageFacts,
  INTERPOLATIONS,
  type Interpolation,
  pngOf,
  previewImage,
  probeImage,
  reasonOf,
  squareOf,
  type WholeImage,
} from "./decode.ts";
export { type DepthDecision, decideDepth, FULL_DEPTH, type Levels, type White } from "./depth.ts";
export { readDescription } from "./description.ts";
export {
  encodePng,
  encodeWebp,
  type PngOptions,
  pngBytes,
  toUint8,
  type WebpOptions,
  webpBytes,
} from "./encode.ts";
export { ImageError } from "./errors.ts";
export { type ImageFormat, sniffFormat, TooLargeRefusal } from "./formats.ts";
export {
  type AffineMatrix,
  type AffineMotion,
  affine,
  type Box,
  crop,
  horizontalFlip,
  inverseAffine,
  type Outside,
  resize,
  resizedCrop,
  rotate,
} from "./geometry.ts";
export { heatMap } from "./heat-map.ts";
export { hashDistance, type Look, tileDistance } from "./look.ts";
export { decodeMask, growMask, KEPT_PARTS, type KeptPart, keptOf, MASK_GROWTH } from "./mask.ts";
export { cutMix, type Mixed, type MixOptions, mixUp } from "./mix.ts";
export { type Corners, perspective } from "./perspective.ts";
export {
  RAND_AUGMENT_LEVELS,
  RAND_AUGMENT_OPERATIONS,
  type RandAugmentSettings,
  randAugment,
} from "./rand-augment.ts";
export type { Rgb } from "./rgb.ts";
export { contactSheet, type SheetOptions } from "./sheet.ts";
export { adjustSharpness, autoContrast, equalize, posterize, solarize } from "./tone.ts";
