import type { z } from "zod";
import type { Samples } from "./samples.ts";

/** What a detector can look at; "stages" are the features of every stage of the encoder. */
export type Need = "logits" | "features" | "stages";

/** What is chosen on validation unknowns: lists of candidates, of which the table's entry makes options to fit with. */
export interface Tuning<Options extends object> {
  /** The candidates with description and default: the configuration's section `tuning.NAME` is made of it. */
  readonly settings: z.ZodObject<Record<string, z.ZodType<unknown[]>>>;
  /** The options to try, the first of which is taken where there is nothing to choose by. Never empty. */
  candidates(settings: Readonly<Record<string, unknown>>, trainImages: number): Options[];
}

/** A way to say how surely an image is known. To add one: a file, and a line in the table. */
export interface Detector<Options extends object = object> {
  /** What reports call it. */
  readonly title: string;
  /** What it does, in one sentence. */
  readonly description: string;
  /** For one that is not built in: another one whenever its code gives other scores, so that a study makes them anew. */
  readonly version?: number;
  /** What it looks at. Those that look at logits depend on the classifier; the others on the encoder alone. */
  readonly needs: Need;
  /** Which images it is fitted on; "nothing" where there is nothing to fit. */
  readonly fitsOn: "nothing" | "train" | "validation";
  /** What validation unknowns choose; null where nothing is open. */
  readonly tuning: Tuning<Options> | null;
  /**
   * Learns what it needs from known images of that split.
   * @throws UnknownsError when the samples lack what it needs
   */
  fit(known: Samples, options?: Options): FittedDetector;
}

/** A detector ready for use. */
export interface FittedDetector {
  /** What was fitted, for the report: a temperature, a shrinkage, a number of neighbours. */
  readonly fitted: Readonly<Record<string, number>>;
  /**
   * Scores images, HIGHER = more surely known (OpenOOD's sign; pytorch-ood has the opposite one).
   * @returns one number an image
   * @throws UnknownsError when the samples lack what it needs
   */
  score(samples: Samples): Float64Array;
}
