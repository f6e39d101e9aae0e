import type { Tensor } from "@penumbra/torch";
import { UnknownsError } from "../errors.ts";
import { Shared } from "./shared.ts";

/** A linear classifier on features: logits = h W' + b. */
export interface Classifier {
  /** W, [C, D]. */
  readonly weight: Tensor;
  /** b, [C]. */
  readonly bias: Tensor;
}

/**
 * An encoder as a differentiable function: pixels in 0..1, [N, 3, H, W], to features [N, D].
 * @param purpose "signs" where nothing but the sign of a gradient is taken from the features: a network may then compute
 *   in a shorter dtype, which costs half and turns only what hardly matters. Default "features".
 */
export type Network = (pixels01: Tensor, purpose?: "features" | "signs") => Tensor;

/** All that a detector can look at: what an encoder and its classifier say about N images, and these themselves. */
export interface Evidence {
  /** Features of the frozen encoder, [N, D]. */
  readonly features: Tensor;
  /** Class logits, [N, C]. */
  readonly logits: Tensor;
  /** Features after each stage of the encoder, the last one being `features`: [N, D_1], …, [N, D]. */
  readonly stages: readonly Tensor[];
  /** The images, uint8 or 0..1: [N, 3, H, W]. */
  readonly pixels: Tensor;
  readonly classifier: Classifier;
  readonly network: Network;
}

/** The name of something that a detector needs. */
export type Need = keyof Evidence;

/** What is at hand about N images. A detector takes from it what it needs. */
export interface Samples extends Partial<Evidence> {
  /** Known class of each image; only for fitting. */
  readonly labels?: readonly number[];
  /** What each image shows, by its name: views of one object have the same; only for fitting. Default: all others. */
  readonly objects?: readonly string[];
  /** Where detectors keep what others need of the same images too. Default: each works it out by itself. */
  readonly shared?: Shared;
}

/** Hands over samples of which all detectors make what they have in common once, as long as `use` runs. */
export function withSharing<T>(samples: readonly Samples[], use: (sharing: readonly Samples[]) => T): T {
  const shared = samples.map(() => new Shared());
  try {
    return use(samples.map((own, place) => ({ ...own, shared: shared[place] as Shared })));
  } finally {
    for (const made of shared) made.dispose();
  }
}

/** What a detector that needs `N` is handed: matrices in float64 and finite, pixels in float32 and 0..1. */
export type Given<N extends Need> = Pick<Evidence, N>;

/** For `cdist`: the exact formula. The faster one, through a matrix product, loses the distance of near-duplicates. */
export const WITHOUT_MATRIX_PRODUCT = 2;

/** For `cdist`: |x|^2 + |y|^2 - 2 x y whatever the size, where there are many rows of many dimensions. */
export const BY_MATRIX_PRODUCT = 1;

const SHAPES: Readonly<Record<Need, string>> = {
  features: "[images, dimensions]",
  logits: "[images, classes]",
  stages: "a list of [images, dimensions], one a stage of the encoder",
  pixels: "[images, 3, height, width]",
  classifier: "{ weight [classes, dimensions], bias [classes] }",
  network: "a function from pixels to features",
};

/**
 * Takes from the samples what a detector needs. Matrices become float64: the tails of a softmax are what a score ranks
 * by.
 * @throws UnknownsError when something is missing, has another shape or is not finite
 */
export function takeGiven<N extends Need>(samples: Samples, needs: readonly N[], detector: string): Given<N> {
  const given: Partial<Record<Need, unknown>> = {};
  for (const need of needs) given[need] = TAKE[need](samples, detector);
  return given as Given<N>;
}

const TAKE: { readonly [N in Need]: (samples: Samples, detector: string) => Evidence[N] } = {
  features: ({ features }, detector) => matrix(present(features, "features", detector), "features"),
  logits: ({ logits }, detector) => matrix(present(logits, "logits", detector), "logits"),
  stages: ({ stages }, detector) => {
    const all = present(stages, "stages", detector);
    if (all.length === 0) {
      throw new UnknownsError(`${detector} got no stages. Pass the features of at least one as "stages".`);
    }
    return all.map((stage, index) => matrix(stage, `stages[${index}]`));
  },
  pixels: ({ pixels }, detector) => {
    const images = present(pixels, "pixels", detector).detach();
    if (images.ndim < 2 || images.shape[0] === 0) {
      throw new UnknownsError(
        `${detector} got pixels of shape [${images.shape}]; it needs ${SHAPES.pixels} with at least one image.`,
      );
    }
    return images.dtype === "uint8" ? images.to("float32").div(255) : images.to("float32");
  },
  classifier: ({ classifier }, detector) => {
    const { weight, bias } = present(classifier, "classifier", detector);
    if (bias.ndim !== 1 || bias.shape[0] !== weight.shape[0]) {
      throw new UnknownsError(
        `${detector} got a classifier of weight [${weight.shape}] and bias [${bias.shape}]; it needs ${SHAPES.classifier}.`,
      );
    }
    return { weight: matrix(weight, "classifier.weight"), bias: bias.detach().to("float64") };
  },
  network: ({ network }, detector) => present(network, "network", detector),
};

function present<T>(value: T | undefined, need: Need, detector: string): T {
  if (value !== undefined) return value;
  throw new UnknownsError(
    `${detector} needs ${need}, but the samples have none. Pass "${need}": ${SHAPES[need]}.`,
  );
}

function matrix(values: Tensor, what: string): Tensor {
  if (values.ndim !== 2 || values.shape[0] === 0) {
    throw new UnknownsError(
      `The detector got ${what} of shape [${values.shape}]; it needs a matrix with at least one row.`,
    );
  }
  const exact = values.detach().to("float64");
  if (!exact.isfinite().all().item()) {
    throw new UnknownsError(
      `The ${what} [${values.shape}] hold NaN or infinity. Check the encoder's training loss; a lower learning rate usually helps.`,
    );
  }
  return exact;
}

/** @throws UnknownsError unless there is one label a row */
export function labelsOf(labels: readonly number[] | undefined, rows: number): readonly number[] {
  if (labels?.length !== rows) {
    throw new UnknownsError(
      `The detector is fitted on ${rows} images with ${labels?.length ?? "no"} labels. Pass the class index of each image as "labels".`,
    );
  }
  return labels;
}

/** @throws UnknownsError unless there is one name a row, or none at all */
export function objectsOf(objects: readonly string[] | undefined, rows: number): readonly string[] {
  if (objects === undefined) return Array.from({ length: rows }, (_, row) => String(row));
  if (objects.length === rows) return objects;
  throw new UnknownsError(
    `The detector is fitted on ${rows} images with the names of ${objects.length} objects. Pass one an image as "objects", or none.`,
  );
}
