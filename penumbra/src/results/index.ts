/** Results: what a study found, as plain data, and the statistics on it. Loads no engine. */

export * from "./audit.ts";
export * from "./bootstrap.ts";
export * from "./confused.ts";
export * from "./design.ts";
export * from "./evaluation.ts";
export * from "./explanation.ts";
export * from "./figures.ts";
export * from "./hypotheses.ts";
export * from "./language.ts";
export * from "./levels.ts";
export * from "./operating-point.ts";
export * from "./outcome.ts";
export * from "./photo-check.ts";
export * from "./pictures.ts";
export * from "./questions.ts";
export * from "./recommend-arm.ts";
export * from "./scored.ts";
export * from "./sifted.ts";
export * from "./statistics.ts";
