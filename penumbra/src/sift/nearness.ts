import { scope, type Tensor } from "@penumbra/torch";
import { fitSpaces, type MeasureName, meanDistances, quantile } from "../unknowns/index.ts";
import { SiftError } from "./errors.ts";

/** Images as the last stages of an encoder see them. */
export interface LabelledStages {
  /** Each [N, D_s]. */
  readonly stages: readonly Tensor[];
  /** Class of each image. */
  readonly labels: readonly number[];
}

export interface NearnessOptions {
  /** Known classes, C. */
  readonly classes: number;
  /** Share of real photos that count as known, 0..1. Default 0.9. */
  readonly known?: number;
  /** Default: nearest photo and Mahalanobis. */
  readonly measures?: readonly MeasureName[];
}

/** How near images lie to each class, calibrated by real photos. */
export interface Nearness {
  /**
   * {@link distances} as a tensor, float64 [M, C] on the CPU: gradients go through it to the stages.
   * @param stages as there
   */
  measure(stages: readonly Tensor[]): Tensor;
  /**
   * @param stages of the same encoder, each [M, D_s]
   * @returns a row for each image with its distance to each class; 1 = as far as the known share of real photos lies
   *   from its own class
   */
  distances(stages: readonly Tensor[]): number[][];
  /** Distance of each held-out photo to its own class, in the same unit. */
  readonly held: readonly number[];
}

/**
 * A distance to classes that has a unit. In every stage, by every measure, an image's distance to a class is divided by
 * the `known` quantile of the distances of held-out photos to their own class ({@link fitSpaces}); the mean of these is
 * divided by its own such quantile in turn. So 1 means: as far out as the outermost real photos that still count as known.
 *
 * @param seen photos that classes are described by, of all classes
 * @param held photos of other objects, which neither the encoder nor `seen` has: they calibrate
 * @throws SiftError where a class has no photo among `seen`, or nothing was held out
 */
export function fitNearness(
  seen: LabelledStages,
  held: LabelledStages,
  { classes, known = 0.9, measures = ["nearest-photo", "mahalanobis"] }: NearnessOptions,
): Nearness {
  const missing = Array.from({ length: classes }, (_, label) => label).filter(
    (label) => !seen.labels.includes(label),
  );
  if (missing.length > 0 || held.labels.length === 0) {
    throw new SiftError(
      missing.length > 0
        ? `Nothing can be judged by photos that show none of the classes ${missing.join(", ")}. Give photos of every class.`
        : "Nothing can be calibrated without held-out photos. Give photos of objects that were not seen.",
    );
  }
  const exact = (stages: readonly Tensor[]) => {
    if (stages.length === seen.stages.length) return stages.map(exactRows);
    throw new SiftError(`Images have ${stages.length} stages instead of ${seen.stages.length}.`);
  };
  const spaces = fitSpaces(
    { ...seen, stages: exact(seen.stages) },
    { ...held, stages: exact(held.stages) },
    { measures, known },
  );
  const raw = (stages: readonly Tensor[]) => scope(() => meanDistances(spaces, exact(stages)));
  const own = toOwn(
    scope(() => raw(held.stages).tolist() as number[][]),
    held.labels,
  );
  const unit = quantile(own, known) || 1;
  const measure = (stages: readonly Tensor[]) => scope(() => raw(stages).div(unit));
  return {
    measure,
    distances: (stages) => scope(() => measure(stages).tolist() as number[][]),
    held: own.map((distance) => distance / unit),
  };
}

function toOwn(rows: readonly (readonly number[])[], labels: readonly number[]): number[] {
  return labels.map((label, image) => rows[image]?.[label] as number);
}

function exactRows(rows: Tensor): Tensor {
  return rows.to({ device: "cpu", dtype: "float64" });
}
