/** Export: a classifier as one ONNX file, from the pixels to the verdict, compared with it before it is kept. */

export { type ExportPrecision, PRECISIONS } from "./arithmetic.ts";
export { exportableDetectors } from "./detectors.ts";
export { type Exported, type ExportOptions, exportOnnx, type QualityFigures } from "./export-onnx.ts";
export { judgeOnnx } from "./judge-onnx.ts";
export { readMetadata } from "./onnx/metadata.ts";
export { type ExportedVerdict, LIMIT, type Verification } from "./verify.ts";
export { exportWebPage, type WebExportOptions } from "./web-page.ts";
