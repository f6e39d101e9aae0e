/** The stage store: content-addressed artifacts that are made once, and the claim on the folder that holds them. */

export * from "./lock.ts";
export * from "./stage.ts";
