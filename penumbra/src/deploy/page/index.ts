/** Page: what the pages for people have in common. */
export { escaped, PAGE_STYLE } from "./style.ts";
