/** Penumbra: few-shot classifiers that say "unknown", trained with synthetic images. Every room by its name. */
export * as contrast from "./contrast/index.ts";
export * as data from "./data/index.ts";
export * as deploy from "./deploy/index.ts";
/** A classifier that `penumbra train` made, ready to predict, and what it says. */
export { loadClassifier, type Verdict } from "./deploy/index.ts";
export * as diffusion from "./diffusion/index.ts";
export * as generators from "./generators/index.ts";
export * as images from "./images/index.ts";
export * as models from "./models/index.ts";
export * as quality from "./quality/index.ts";
export * as report from "./report/index.ts";
export * as results from "./results/index.ts";
export * as study from "./study/index.ts";
export * as unknowns from "./unknowns/index.ts";
