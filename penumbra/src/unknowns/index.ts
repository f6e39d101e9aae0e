// Unknowns: detectors that score how surely an image is known, and metrics that say how well they do.
export { classMeans, fitGaussians } from "./detectors/gaussians.ts";
export * from "./detectors/index.ts";
export { WITHOUT_MATRIX_PRODUCT } from "./detectors/samples.ts";
export { UnknownsError } from "./errors.ts";
export * from "./metrics/index.ts";
