/** The study: arms x seeds as a graph of content-addressed stages, from a configuration to its outcome. */

export * from "./arms/index.ts";
export * from "./config/index.ts";
export * from "./estimate.ts";
export { settle } from "./find-weights.ts";
export * from "./foresight.ts";
export { JobError } from "./jobs/index.ts";
export { settlePrecision } from "./machine.ts";
export * from "./plan-study.ts";
export * from "./preview.ts";
export * from "./run.ts";
export * from "./settle-jobs.ts";
export * from "./sources/index.ts";
export * from "./store/index.ts";
export * from "./train-classifier.ts";
export * from "./until-decided.ts";
