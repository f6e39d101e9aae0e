/** The report: plain data of a finished study in, one self-contained HTML page out. */
export * from "./charts/index.ts";
export * from "./check-page.ts";
export * from "./compare-page.ts";
export * from "./evaluation-page.ts";
export * from "./explanation-page.ts";
export * from "./figures.ts";
export * from "./html.ts";
export * from "./numbers.ts";
export * from "./page.ts";
export { FontError, pdfOf } from "./pdf.ts";
export * from "./sections/index.ts";
export * from "./trackers/index.ts";
export { translated, withLanguage } from "./words/index.ts";
export * from "./write.ts";
