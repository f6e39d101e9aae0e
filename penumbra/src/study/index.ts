/** The study: arms x seeds as a graph of content-addressed stages, with its statistics. */

export * from "./arms.ts";
export * from "./bootstrap.ts";
export * from "./config.ts";
export * from "./detector-names.ts";
export * from "./load-config.ts";
export * from "./lock.ts";
export * from "./outcome.ts";
export * from "./plan.ts";
export * from "./questions.ts";
export * from "./run.ts";
export * from "./scaffold.ts";
export * from "./stage.ts";
export * from "./statistics.ts";
