import type { Tensor } from "@penumbra/torch";
import { UnknownsError } from "../errors.ts";

/** What an encoder and its classifier say about N images. A detector takes from it what it needs. */
export interface Samples {
  /** Features of the frozen encoder, [N, D]. */
  readonly features?: Tensor;
  /** Class logits, [N, C]. */
  readonly logits?: Tensor;
  /** Known class of each image; only for fitting. */
  readonly labels?: readonly number[];
}

/** For `cdist`: the exact formula. The faster one, through a matrix product, loses the distance of near-duplicates. */
export const WITHOUT_MATRIX_PRODUCT = 2;

/**
 * The logits in float64: the tails of a softmax are what a score ranks by.
 * @throws UnknownsError when they are missing or not finite
 */
export function logitsOf(samples: Samples): Tensor {
  return matrixOf(samples.logits, "logits", "[images, classes]");
}

/** The features in float64. @throws UnknownsError when they are missing or not finite */
export function featuresOf(samples: Samples): Tensor {
  return matrixOf(samples.features, "features", "[images, dimensions]");
}

/** @throws UnknownsError unless there is one label a row */
export function labelsOf(samples: Samples, rows: number): readonly number[] {
  const { labels } = samples;
  if (labels?.length !== rows) {
    throw new UnknownsError(
      `The detector is fitted on ${rows} images with ${labels?.length ?? "no"} labels. Pass the class index of each image as "labels".`,
    );
  }
  return labels;
}

function matrixOf(values: Tensor | undefined, what: "logits" | "features", shape: string): Tensor {
  if (!values)
    throw new UnknownsError(
      `The detector needs ${what}, but the samples have none. Pass "${what}" ${shape}.`,
    );
  if (values.ndim !== 2 || values.shape[0] === 0) {
    throw new UnknownsError(
      `The detector got ${what} of shape [${values.shape}]; it needs ${shape} with at least one image.`,
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
