/** The arms: the ways to train the encoder that a study compares. */

export * from "./arms.ts";
