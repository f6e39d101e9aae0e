/** Deploy: what is used after a study, a classifier and the doors to it. */
export * from "./classifier/index.ts";
export * from "./export/index.ts";
export * from "./label/index.ts";
export * from "./serve/index.ts";
