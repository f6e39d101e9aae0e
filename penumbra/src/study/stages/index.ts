/** The stages of a study: each a pure function of its inputs, its settings and its seed. */

export * from "./arm-encoder.ts";
export * from "./audit.ts";
export * from "./context.ts";
export * from "./encoder.ts";
export * from "./feature-map.ts";
export * from "./features.ts";
export * from "./generator.ts";
export * from "./images.ts";
export * from "./judge-encoders.ts";
export * from "./load-images.ts";
export * from "./model-loader.ts";
export * from "./nearness.ts";
export * from "./prepare-seeds.ts";
export * from "./prepared-source.ts";
export * from "./probe.ts";
export { partsByClass } from "./samples.ts";
export * from "./score.ts";
export * from "./score-unit.ts";
export * from "./sift.ts";
export * from "./sift-judges.ts";
export * from "./split.ts";
export * from "./stand-ins.ts";
export * from "./train-arms.ts";
export { seenRecipes, UNLEARNED_PHOTOS, unlearnedImages, unlearnedSources } from "./unlearned.ts";
export * from "./words.ts";
