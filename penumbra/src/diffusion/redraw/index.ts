/** Redraws: photos drawn again by recipes, with a line for each image that says how. */

export { type RedrawLine, readManifest, redrawLines } from "./manifest.ts";
export { type PlannedRedraw, planRedraws } from "./plan.ts";
export * from "./recipes/index.ts";
export { type RedrawOptions, redraw } from "./redraw.ts";
