/** Page: what the pages for people have in common. */
export { PAGE_SCRIPT } from "./script.ts";
export { escaped, PAGE_STYLE } from "./style.ts";
