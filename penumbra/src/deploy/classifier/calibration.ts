import * as torch from "@penumbra/torch";
import { deriveSeed, scope, type Tensor } from "@penumbra/torch";
import { DeployError } from "./errors.ts";

/** Known objects that no training saw: scores are compared with theirs. */
export interface CalibrationObjects {
  /** The object of each photo, [N]. */
  readonly objects: readonly string[];
  /** The class of each photo, [N]. */
  readonly labels: readonly number[];
}

/** Sets of views of the calibration objects, of one size: what an object seen with so many views is compared with. */
export interface ViewSets {
  /** [sets, N]: each row averages the photos of one set. */
  readonly averaging: Tensor;
  /** The class of each set. */
  readonly labels: readonly number[];
  /** The object of each set, numbered from 0. */
  readonly objects: readonly number[];
}

/** So many sets of views of one object are enough to know how its scores are spread. */
const MOST_SETS = 16;

/**
 * Sets of `views` photos of each object: all that there are where they are few, else {@link MOST_SETS} that are drawn,
 * the same at every call; the whole object where it has no more photos than that.
 *
 * @throws DeployError for a number of views that is not a whole number above 0
 */
export function viewSets({ objects, labels }: CalibrationObjects, views: number): ViewSets {
  if (!Number.isInteger(views) || views < 1)
    throw new DeployError(`An object cannot have ${views} views. Pass at least one photo of it.`);
  const photosOf = new Map<string, number[]>();
  for (const [photo, object] of objects.entries()) {
    const photos = photosOf.get(object);
    if (photos) photos.push(photo);
    else photosOf.set(object, [photo]);
  }
  const sets = [...photosOf].flatMap(([object, photos], number) =>
    drawSets(photos, Math.min(views, photos.length), object).map((set) => ({ set, number })),
  );
  const weights = new Float64Array(sets.length * objects.length);
  for (const [row, { set }] of sets.entries())
    for (const photo of set) weights[row * objects.length + photo] = 1 / set.length;
  return {
    averaging: torch.fromTyped(weights, [sets.length, objects.length]),
    labels: sets.map(({ set }) => labels[set[0]!]!),
    objects: sets.map(({ number }) => number),
  };
}

/** Rows of photos, [N, D], as means over each set, [sets, D], in float64. */
export function averageViews({ averaging }: ViewSets, rows: Tensor): Tensor {
  return scope(() => averaging.matmul(rows.to("float64")));
}

/**
 * How likely a known object looks at least as unknown: a conformal p-value over objects (Lee, Barber, Willett 2023,
 * "Distribution-free inference with hierarchical data").
 *
 *   p(s) = (1 + sum over objects of the share of their scores that are <= s) / (objects + 1)
 *
 * If the calibration objects and a new known object are exchangeable, P(p <= level) <= level for every level, however
 * many views an object has. The smallest p is 1 / (objects + 1).
 */
export class KnownScores {
  readonly #scores: Float64Array;
  /** Sum of the weights of the first i + 1 scores. */
  readonly #cumulative: Float64Array;
  readonly objects: number;

  /**
   * @param scores HIGHER = more surely known
   * @param objects the object of each score, numbered from 0
   * @throws DeployError without scores, or for one that is not a number
   */
  constructor(scores: ArrayLike<number>, objects: readonly number[]) {
    if (scores.length === 0 || scores.length !== objects.length) {
      throw new DeployError(
        `A calibration needs scores with the object of each; it got ${scores.length} scores and ${objects.length} objects.`,
      );
    }
    const counts = new Map<number, number>();
    for (const object of objects) counts.set(object, 1 + (counts.get(object) ?? 0));
    const order = Array.from(scores, (score, i) => ({ score, weight: 1 / counts.get(objects[i]!)! }));
    if (order.some(({ score }) => Number.isNaN(score)))
      throw new DeployError("A calibration score is not a number. Train the classifier again.");
    order.sort((a, b) => a.score - b.score);
    this.objects = counts.size;
    this.#scores = Float64Array.from(order, ({ score }) => score);
    let sum = 0;
    this.#cumulative = Float64Array.from(order, ({ weight }) => (sum += weight));
  }

  /** The p-value of a score, 1 / (objects + 1) … 1. Small: known objects rarely look so unknown. */
  pValue(score: number): number {
    let [low, high] = [0, this.#scores.length]; // how many scores are <= score
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#scores[middle]! <= score) low = middle + 1;
      else high = middle;
    }
    const asUnknown = low === 0 ? 0 : this.#cumulative[low - 1]!;
    return Math.min(1, (1 + asUnknown) / (this.objects + 1));
  }

  /** An object is unknown at `level` when its score is BELOW this: the form that exported models carry. */
  threshold(level: number): number {
    if (this.pValue(Number.NEGATIVE_INFINITY) > level) return Number.NEGATIVE_INFINITY;
    return this.#scores.find((score) => this.pValue(score) > level) ?? Number.POSITIVE_INFINITY;
  }
}

function drawSets(photos: readonly number[], size: number, object: string): number[][] {
  if (size === photos.length) return [[...photos]];
  const all = combinations(photos, size, MOST_SETS + 1);
  if (all.length <= MOST_SETS) return all;
  return Array.from({ length: MOST_SETS }, (_, draw) => {
    const order = photos.map((photo) => ({ photo, at: deriveSeed("views", object, size, draw, photo) }));
    return order
      .sort((a, b) => a.at - b.at)
      .slice(0, size)
      .map(({ photo }) => photo)
      .sort((a, b) => a - b);
  });
}

/** The first `most` sets of `size` of the items, in the order of the items. */
function combinations(items: readonly number[], size: number, most: number): number[][] {
  if (size === 0) return [[]];
  const found: number[][] = [];
  for (const [index, item] of items.entries()) {
    if (found.length >= most || items.length - index < size) break;
    for (const rest of combinations(items.slice(index + 1), size - 1, most - found.length))
      found.push([item, ...rest]);
  }
  return found;
}
