import type { Samples } from "./samples.ts";

/** A way to say how surely an image is known. To add one: a file, and a line in the table. */
export interface Detector<Options extends object = object> {
  /** What reports call it. */
  readonly title: string;
  /** What it looks at. Those that look at logits depend on the classifier; the others on the encoder alone. */
  readonly needs: "logits" | "features";
  /** Which images it is fitted on; "nothing" where there is nothing to fit. */
  readonly fitsOn: "nothing" | "train" | "validation";
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
