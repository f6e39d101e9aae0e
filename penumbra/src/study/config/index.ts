/** The study's settings: their schema, reading a study.yaml, and writing one. */

export * from "./config.ts";
export * from "./drawn-sources.ts";
export { explainIssue } from "./explain.ts";
export * from "./load-config.ts";
export { withOwnSources } from "./own-sources.ts";
export * from "./plan.ts";
export * from "./presets.ts";
export * from "./scaffold.ts";
export * from "./schema.ts";
export * from "./settle-images.ts";
export * from "./shots.ts";
export * from "./tables.ts";
