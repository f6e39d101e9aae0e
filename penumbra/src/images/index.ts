/** Images: files decoded and encoded, transforms of batches on tensors, and random augmentation. */
export { augment } from "./augment.ts";
export { type AugmentSpec, AugmentSpecSchema } from "./augment-spec.ts";
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
export {
  type DecodeOptions,
  decodeImage,
  decodeStrip,
  decodeWhole,
  FITS,
  type Fit,
  type ImageFacts,
  previewImage,
  probeImage,
  reasonOf,
} from "./decode.ts";
export { type DepthDecision, decideDepth, FULL_DEPTH, type Levels, type White } from "./depth.ts";
export { encodePng, encodeWebp, pngBytes, toUint8, type WebpOptions, webpBytes } from "./encode.ts";
export { ImageError } from "./errors.ts";
export { type ImageFormat, sniffFormat } from "./formats.ts";
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
export { hashDistance, type Look, tileDistance } from "./look.ts";
export type { Rgb } from "./rgb.ts";
export { contactSheet, type SheetOptions } from "./sheet.ts";
