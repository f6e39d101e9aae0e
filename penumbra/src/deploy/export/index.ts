/** Export: a classifier as one ONNX file, from the pixels to the verdict, compared with it before it is kept. */

export { type ExportPrecision, PRECISIONS } from "./arithmetic.ts";
export { exportableDetectors } from "./detectors.ts";
export { type Exported, type ExportOptions, exportOnnx, type QualityFigures } from "./export-onnx.ts";
export { LIMIT, type Verification } from "./verify.ts";
