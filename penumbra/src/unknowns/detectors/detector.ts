import { scope, type Tensor } from "@penumbra/torch";
import { UnknownsError } from "../errors.ts";
import { type Given, labelsOf, type Need, objectsOf, type Samples, takeGiven } from "./samples.ts";
import { ALONE, type Sharing } from "./shared.ts";
import type { Tuning } from "./tuning.ts";

/** Which images a detector is fitted on; "nothing" where there is nothing to fit. */
export const FITS_ON = ["nothing", "train", "validation"] as const;

/** A way to say how surely an image is known. To add one: a file, and a line in the table. */
export interface Detector<Options extends object = object> {
  /** What reports call it. */
  readonly title: string;
  /** What it does, in one sentence. */
  readonly description: string;
  /** For one that is not built in: another one whenever its code gives other scores, so that a study makes them anew. */
  readonly version?: number;
  /** What it looks at. Those that look at neither logits nor the classifier depend on the encoder alone. */
  readonly needs: readonly Need[];
  readonly fitsOn: (typeof FITS_ON)[number];
  /** What validation unknowns choose; null where nothing is open. */
  readonly tuning: Tuning<Options> | null;
  /**
   * Learns what it needs from known images of the split that it is fitted on.
   * @throws UnknownsError when the samples lack what it needs, or an option is out of its range
   */
  fit(known: Samples, options?: Options): FittedDetector;
  /**
   * Makes a fitted detector of what another one had learned; it scores the same to the bit.
   * @throws UnknownsError when it scores with a state of another detector
   */
  load(state: DetectorState): FittedDetector;
}

/** What a detector has learned: numbers and tensors by name, enough to score with. */
export interface DetectorState {
  readonly numbers: Readonly<Record<string, number>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** A detector ready for use. */
export interface FittedDetector {
  /** What was chosen and fitted, for the report: a temperature, a shrinkage, a number of neighbours. */
  readonly fitted: Readonly<Record<string, number>>;
  /** All that was learned; see {@link writeDetector}. */
  readonly state: DetectorState;
  /**
   * Scores images, HIGHER = more surely known (OpenOOD's sign; pytorch-ood has the opposite one).
   * @returns one number an image
   * @throws UnknownsError when the samples lack what it needs
   */
  score(samples: Samples): Float64Array;
}

/** What the author of a detector writes; {@link defineDetector} makes the rest of it. */
export interface DetectorDefinition<Options extends object, N extends Need>
  extends Omit<Detector<Options>, "needs" | "fit" | "load"> {
  readonly needs: readonly N[];
  /** What is to be known for scoring. `labels` throws where there are none. */
  learn(known: Given<N> & KnownImages & Sharing, options: Options): DetectorState;
  /** The scores, [N], of images by that state. */
  score(state: DetectorState, images: Given<N> & Sharing): Tensor;
}

export interface KnownImages {
  /** One label a row. @throws UnknownsError when there is another number of labels */
  labels(rows: number): readonly number[];
  /** The object of each row; a name of its own where none are given. @throws UnknownsError when there is another number */
  objects(rows: number): readonly string[];
}

/** A detector of what it learns and how it scores: checks what it needs, releases tensors, fits by state. */
export function defineDetector<Options extends object, N extends Need>(
  definition: DetectorDefinition<Options, N>,
): Detector<Options> {
  const { learn, score, ...entry } = definition;
  const { title, needs, fitsOn } = entry;
  const load = (state: DetectorState): FittedDetector => ({
    fitted: state.numbers,
    state,
    score: (samples) =>
      scope(() =>
        Float64Array.from(
          score(state, { ...takeGiven(samples, needs, title), ...sharingOf(samples) }).toNumbers(),
        ),
      ),
  });
  return {
    ...entry,
    load,
    fit(known, options) {
      const learned = scope(() => {
        const given = fitsOn === "nothing" ? ({} as Given<N>) : takeGiven(known, needs, title);
        const labels = (rows: number) => labelsOf(known.labels, rows);
        const objects = (rows: number) => objectsOf(known.objects, rows);
        const images = { ...given, labels, objects, ...sharingOf(known) };
        const { numbers, tensors } = learn(images, options ?? ({} as Options));
        // As they will lie when read from a file: another layout sums in another order. What is shared ends with its owner.
        const own = (tensor: Tensor) => (known.shared ? tensor.contiguous().clone() : tensor.contiguous());
        const laidOut = Object.entries(tensors).map(([name, tensor]) => [name, own(tensor)] as const);
        return { numbers, tensors: Object.fromEntries(laidOut) };
      });
      for (const tensor of Object.values(learned.tensors)) tensor.keep();
      return load(learned);
    },
  };
}

function sharingOf({ shared }: Samples): Sharing {
  return { once: (name, make) => (shared ?? ALONE).once(name, make) };
}

/** A number that a detector has learned. @throws UnknownsError where the state lacks it */
export function numberOf({ numbers }: DetectorState, name: string): number {
  const value = numbers[name];
  if (value === undefined) throw stateLacks("number", name);
  return value;
}

/** A tensor that a detector has learned. @throws UnknownsError where the state lacks it */
export function tensorOf({ tensors }: DetectorState, name: string): Tensor {
  const tensor = tensors[name];
  if (!tensor) throw stateLacks("tensor", name);
  return tensor;
}

function stateLacks(kind: string, name: string): UnknownsError {
  return new UnknownsError(
    `The state of the detector has no ${kind} "${name}": it is of another detector or version. Fit the detector again.`,
  );
}

/**
 * @param isAllowed whether the value is in its range
 * @throws UnknownsError otherwise; NaN is never in a range
 */
export function requireOption(
  detector: string,
  option: string,
  value: number,
  isAllowed: boolean,
  range: string,
): void {
  if (isAllowed) return;
  throw new UnknownsError(
    `${detector} got ${option} = ${value}; it must be ${range}. Set another ${option}.`,
  );
}
