/** Charts: plain data in, SVG out. Colours come from the page's style sheet by class name. */
export * from "./confusion.ts";
export * from "./dots.ts";
export * from "./histogram.ts";
export * from "./interval.ts";
export * from "./levels.ts";
export * from "./lines.ts";
export * from "./scale.ts";
export * from "./scatter.ts";
