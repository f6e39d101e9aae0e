import * as torch from "@penumbra/torch";
import { deriveSeed, scope, type Tensor } from "@penumbra/torch";
import { logGamma } from "../../results/index.ts";
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

/** Scores that differ by less than this share of their standard deviation are as good as tied. */
const TIE = 0.01;

/** What p-values are computed from: all that an exported model carries of the calibration. */
export interface KnownScoresState {
  /** Scores of the calibration objects, ascending. */
  readonly scores: Float64Array;
  /** Weight of each score: 1 / (scores of its object). */
  readonly weights: Float64Array;
  /** How far above a score another one still counts as tied in part. */
  readonly tie: number;
  readonly objects: number;
}

/**
 * How likely a known object looks at least as unknown: a conformal p-value over objects (Lee, Barber, Willett 2023,
 * "Distribution-free inference with hierarchical data").
 *
 *   p(s) = (1 + sum over objects of the mean of c(s - s_i) over their scores s_i) / (objects + 1)
 *   c(d) = 1 for d >= 0, 0 for d <= -tie, 1 + d / tie between them;   tie = a hundredth of the scores' deviation
 *
 * With c a step at 0 it is the published p-value: if the calibration objects and a new known object are exchangeable,
 * P(p <= level) <= level for every level, however many views an object has. The ramp only makes p larger, so that
 * stays true, and p continuous: rounding (another batch, another processor, an exported model) moves it by as little.
 * The smallest p is 1 / (objects + 1).
 */
export class KnownScores {
  readonly state: KnownScoresState;
  /** Sum of the weights of the first i scores. */
  readonly #cumulative: Float64Array;

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
    this.state = {
      scores: Float64Array.from(order, ({ score }) => score),
      weights: Float64Array.from(order, ({ weight }) => weight),
      tie: TIE * deviationOf(order.map(({ score }) => score)),
      objects: counts.size,
    };
    this.#cumulative = new Float64Array(order.length + 1);
    for (const [i, { weight }] of order.entries()) this.#cumulative[i + 1] = this.#cumulative[i]! + weight;
  }

  get objects(): number {
    return this.state.objects;
  }

  /** The p-value of a score, 1 / (objects + 1) … 1. Small: known objects rarely look so unknown. */
  pValue(score: number): number {
    const { scores, weights, tie, objects } = this.state;
    let [low, high] = [0, scores.length]; // how many scores are <= score
    while (low < high) {
      const middle = (low + high) >> 1;
      if (scores[middle]! <= score) low = middle + 1;
      else high = middle;
    }
    let asUnknown = this.#cumulative[low]!;
    for (let i = low; i < scores.length && scores[i]! - score < tie; i++)
      asUnknown += weights[i]! * (1 + (score - scores[i]!) / tie);
    return Math.min(1, (1 + asUnknown) / (objects + 1));
  }

  /** An object is unknown at `level` when its score is BELOW this: the form that exported models carry. */
  threshold(level: number): number {
    const { scores, tie } = this.state;
    if (this.pValue(Number.NEGATIVE_INFINITY) > level) return Number.NEGATIVE_INFINITY;
    // Between neighbouring corners p is a straight line; with a tie of 0 it jumps at each.
    const corners = [...new Set(Array.from(scores).flatMap((score) => [score - tie, score]))].sort(
      (a, b) => a - b,
    );
    const first = corners.findIndex((corner) => this.pValue(corner) > level);
    if (first === -1) return Number.POSITIVE_INFINITY;
    const above = corners[first]!;
    if (first === 0 || tie === 0) return above;
    const below = corners[first - 1]!;
    const [low, high] = [this.pValue(below), this.pValue(above)];
    return below + ((level - low) / (high - low)) * (above - below);
  }
}

/**
 * Between which shares of known test objects that have a p-value of at most `level` lies, in 95 of 100 draws of the
 * calibration and the test objects together. A share of all objects that there could be is drawn with the calibration:
 * k = floor(level (n + 1)) of n + 1 places are below the level, so it is Beta(k, n + 1 - k) (Vovk 2012, "Conditional
 * validity of inductive conformal predictors"), with the mean k / (n + 1); the tested ones are a binomial draw from it.
 * The binomial alone, around `level`, leaves out the first draw.
 *
 * @param calibration objects that calibrate, n, each seen by as many views as the tested ones
 */
export function flaggedShares({
  calibration,
  tested,
  level,
}: {
  readonly calibration: number;
  readonly tested: number;
  readonly level: number;
}): { readonly mean: number; readonly low: number; readonly high: number } {
  const below = Math.floor(level * (calibration + 1) + 1e-9);
  if (below === 0) return { mean: 0, low: 0, high: 0 };
  const [a, b] = [below, calibration + 1 - below];
  const logBeta = (x: number, y: number) => logGamma(x) + logGamma(y) - logGamma(x + y);
  const quantile = (share: number) => {
    let sum = 0;
    for (let count = 0; count < tested; count++) {
      const choose = -Math.log(tested + 1) - logBeta(count + 1, tested - count + 1);
      sum += Math.exp(choose + logBeta(count + a, tested - count + b) - logBeta(a, b));
      if (sum >= share) return count / tested;
    }
    return 1;
  };
  return { mean: below / (calibration + 1), low: quantile(0.025), high: quantile(0.975) };
}

/** Standard deviation; 0 where a score is infinite, as nothing is near one. */
function deviationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return Number.isFinite(variance) ? Math.sqrt(variance) : 0;
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
