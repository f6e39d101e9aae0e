/** Redraws: photos drawn again by recipes, with a line for each image that says how. */

export type { BoundaryGuide } from "./boundary.ts";
export { allRequests, type PlannedRedraw, planRedraws, type RedrawRequest } from "./plan.ts";
export * from "./recipes/index.ts";
export { type RedrawLine, type RedrawOptions, redraw } from "./redraw.ts";
