// Unknowns: detectors that score how surely an image is known, and metrics that say how well they do.
export * from "./detectors/index.ts";
export { UnknownsError } from "./errors.ts";
export * from "./metrics/index.ts";
