/**
 * A paired bootstrap over physical objects: how much would the difference between two arms move if other objects
 * had been photographed for the test? Objects are drawn, not photos, because photos of one object are not
 * independent; both arms see the same draw.
 */

/** A figure of one arm at one seed, as a function of how often each test item counts. */
export type WeightedStatistic = (weights: Float64Array) => number;

/** What two arms at one seed share, and their figure. */
export interface BootstrapPair {
  /** Physical object of each test item, as an index into `classOfObject`. */
  readonly objectOfItem: readonly number[];
  readonly treatment: WeightedStatistic;
  readonly control: WeightedStatistic;
}

export interface BootstrapOptions {
  /** Class of each object of any seed: objects are redrawn within their class. */
  readonly classOfObject: readonly string[];
  readonly replicates: number;
  /** Returns numbers in [0, 1); the same sequence gives the same replicates. */
  readonly uniform: () => number;
}

/**
 * Replicates of the mean difference over seeds, `mean_s (treatment_s(w) - control_s(w))`, w = counts of the drawn objects.
 *
 * Objects are drawn once for all seeds: the tests of different seeds show largely the same objects, so that draws of
 * their own would count one object as several independent ones, and the interval would shrink with every seed.
 */
export function pairedBootstrap(
  pairs: readonly BootstrapPair[],
  { classOfObject, replicates, uniform }: BootstrapOptions,
): number[] {
  const strata = strataOf(classOfObject);
  const counts = new Float64Array(classOfObject.length);
  const plans = pairs.map((pair) => ({ ...pair, weights: new Float64Array(pair.objectOfItem.length) }));
  return Array.from({ length: replicates }, () => {
    counts.fill(0);
    for (const stratum of strata) {
      for (let draw = 0; draw < stratum.length; draw++) {
        const object = stratum[Math.floor(uniform() * stratum.length)]!;
        counts[object] = counts[object]! + 1;
      }
    }
    let sum = 0;
    for (const { weights, objectOfItem, treatment, control } of plans) {
      for (const [item, object] of objectOfItem.entries()) weights[item] = counts[object]!;
      sum += treatment(weights) - control(weights);
    }
    return sum / pairs.length;
  });
}

function strataOf(classes: readonly string[]): number[][] {
  const strata = new Map<string, number[]>();
  for (const [object, name] of classes.entries()) {
    const stratum = strata.get(name);
    if (stratum) stratum.push(object);
    else strata.set(name, [object]);
  }
  return [...strata.values()];
}

/** Weighted share of correct items; items that are null (unknowns) do not take part. */
export function weightedAccuracy(isCorrect: readonly (boolean | null)[]): WeightedStatistic {
  return (weights) => {
    let correct = 0;
    let all = 0;
    for (const [item, hit] of isCorrect.entries()) {
      if (hit === null) continue;
      const weight = weights[item]!;
      all += weight;
      if (hit) correct += weight;
    }
    return correct / all;
  };
}

/**
 * Unweighted mean over unknown classes of the AUROC of known items against that class (the OpenOOD protocol,
 * METHODS C.3): P(score of a known > score of an unknown) + P(equal) / 2. Scores: higher = more known. A class whose
 * items all have weight 0 does not take part.
 *
 * `groups` names each item's part: "known", the name of an unknown class, or null where it does not take part.
 */
export function weightedClassAuroc(
  scores: readonly number[],
  groups: readonly (string | null)[],
  known = "known",
): WeightedStatistic {
  const names = [...new Set(groups)].filter((name): name is string => name !== null && name !== known);
  const indexOf = new Map(names.map((name, index) => [name, index]));
  const order = scores
    .map((_, item) => item)
    .filter((item) => groups[item] !== null)
    .sort((a, b) => scores[a]! - scores[b]!);
  const sortedScores = Float64Array.from(order, (item) => scores[item]!);
  const group = Int32Array.from(order, (item) => (groups[item] === known ? -1 : indexOf.get(groups[item]!)!));
  return (weights) => {
    let knownTotal = 0;
    for (const [rank, item] of order.entries()) if (group[rank] === -1) knownTotal += weights[item]!;
    const wins = new Float64Array(names.length);
    const totals = new Float64Array(names.length);
    let knownBelow = 0;
    for (let start = 0; start < order.length; ) {
      let end = start;
      let knownHere = 0;
      while (end < order.length && sortedScores[end] === sortedScores[start]) {
        if (group[end] === -1) knownHere += weights[order[end]!]!;
        end++;
      }
      const above = knownTotal - knownBelow - knownHere / 2;
      for (let rank = start; rank < end; rank++) {
        const name = group[rank]!;
        if (name === -1) continue;
        const weight = weights[order[rank]!]!;
        wins[name] = wins[name]! + weight * above;
        totals[name] = totals[name]! + weight;
      }
      knownBelow += knownHere;
      start = end;
    }
    let sum = 0;
    let present = 0;
    for (const [name, win] of wins.entries()) {
      const total = totals[name]!;
      if (total === 0) continue;
      sum += win / (total * knownTotal);
      present++;
    }
    return sum / present;
  };
}
