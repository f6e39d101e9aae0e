/** Diffusion: the model in its published layout, samplers, words learned from photos, redraws of photos. */

export * from "./draw/index.ts";
export * from "./model/index.ts";
export * from "./redraw/index.ts";
export * from "./samplers/index.ts";
export * from "./words/index.ts";
