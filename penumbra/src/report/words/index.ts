/** The report in other languages: the English text is the key. */
export * from "./dictionary.ts";
export * from "./language.ts";
export * from "./templates.ts";
