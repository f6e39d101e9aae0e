/** The end of a study: everything that the report shows, from the artifacts. */

export * from "./conclude.ts";
