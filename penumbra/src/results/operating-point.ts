import { Random } from "@penumbra/torch/random";
import { pairedBootstrap, type WeightedStatistic } from "./bootstrap.ts";
import type { StudyScores } from "./figures.ts";
import type { OperatingPoint, OperatingShare } from "./outcome.ts";
import { type PartScores, scoresOf, valueAt } from "./scored.ts";
import { mean, percentileInterval } from "./statistics.ts";

export interface OperatingPointOptions {
  readonly detector: string;
  /** Share of the known validation photos that the threshold keeps, 0..1. */
  readonly keep: number;
  /** Confidence of the intervals, 0..1. */
  readonly confidence: number;
  /** Replicates of the bootstrap over objects. */
  readonly bootstrap: number;
}

const JUDGED = ["test", "nearTest", "farTest"] as const;
type Judged = (typeof JUDGED)[number];

/**
 * What each arm does where its threshold is set for use: the highest score that keeps a share of the known VALIDATION
 * photos, seed by seed, applied to the test. Intervals are percentiles of a bootstrap over physical objects, of the
 * validation, which moves the threshold, and of the test.
 */
export function operatingPointsOf(scores: StudyScores, options: OperatingPointOptions): OperatingPoint[] {
  return scores.arms.map((arm) => {
    const share = (judged: Judged) => shareOf(scores, arm, judged, options);
    const [known, near, far] = [share("test"), share("nearTest"), share("farTest")];
    if (!known) throw new RangeError(`There are no known test photos of ${arm}.`);
    return { arm, keep: options.keep, known, near, far };
  });
}

/** Known photos that are kept, or unknown ones that are called unknown; null where there are none. */
function shareOf(
  scores: StudyScores,
  arm: string,
  judged: Judged,
  { detector, keep, confidence, bootstrap }: OperatingPointOptions,
): OperatingShare | null {
  const seeds = scores.seeds.map((seed) => scores.photo(arm, seed).parts);
  if (seeds.some((parts) => parts[judged].ids.length === 0)) return null;
  const items = seeds.map((parts) => {
    const [validation, test] = [parts.validation, parts[judged]];
    const isCounted = judged === "test" ? isKept : isFlagged;
    return {
      objects: [...objectsOf(validation), ...objectsOf(test)],
      statistic: shareAt(scoresOf(validation, detector), scoresOf(test, detector), keep, isCounted),
    };
  });
  const classOf = new Map(items.flatMap(({ objects }) => objects));
  const indexOf = new Map([...classOf.keys()].map((name, index) => [name, index]));
  const random = new Random(`operating point ${judged}`);
  const replicates = pairedBootstrap(
    items.map(({ objects, statistic }) => ({
      objectOfItem: objects.map(([name]) => indexOf.get(name) as number),
      treatment: statistic,
      control: () => 0,
    })),
    { classOfObject: [...classOf.values()], replicates: bootstrap, uniform: () => random.uniform() },
  );
  const perSeed = items.map(({ objects, statistic }) => statistic(new Float64Array(objects.length).fill(1)));
  return { perSeed, mean: mean(perSeed), interval: percentileInterval(replicates, confidence) };
}

/** The object of each item, with its class. */
function objectsOf({ objects, classNames }: PartScores): (readonly [string, string])[] {
  return objects.map((name, index) => [name, valueAt(classNames, index)]);
}

const isKept = (score: number, threshold: number) => score >= threshold;
const isFlagged = (score: number, threshold: number) => score < threshold;

/** The weighted share of items that are counted at the threshold that the weighted validation items give. */
function shareAt(
  validation: readonly number[],
  test: readonly number[],
  keep: number,
  isCounted: (score: number, threshold: number) => boolean,
): WeightedStatistic {
  const order = Int32Array.from(validation.keys()).sort(
    (a, b) => (validation[b] as number) - (validation[a] as number),
  );
  return (weights) => {
    const threshold = weightedThreshold(validation, order, weights, keep);
    let counted = 0;
    let all = 0;
    for (const [index, score] of test.entries()) {
      const weight = weights[validation.length + index] as number;
      all += weight;
      if (isCounted(score, threshold)) counted += weight;
    }
    return counted / all;
  };
}

/**
 * The highest score t such that at least the share `keep` of the weight lies at t or above.
 *
 * @param order the items, the highest score first
 * @param weights how often each item counts, in the items' order
 */
export function weightedThreshold(
  scores: readonly number[],
  order: Int32Array,
  weights: Float64Array,
  keep: number,
): number {
  const all = order.reduce((sum, item) => sum + (weights[item] as number), 0);
  let kept = 0;
  for (const item of order) {
    kept += weights[item] as number;
    if (kept >= keep * all - 1e-9) return scores[item] as number; // 0.95 * 20 is 19, not 19.000000000000004
  }
  throw new RangeError(`No score keeps ${keep} of ${order.length} items. Pass a share from 0 to 1.`);
}
