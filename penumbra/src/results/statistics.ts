/**
 * The statistics of a paired comparison: Student's t over seeds, a bootstrap over physical objects, and both together.
 * Plain numbers in, plain numbers out.
 */

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** Share of repetitions of the whole experiment whose interval holds the true value, 0..1. */
  readonly confidence: number;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample standard deviation, s = sqrt(sum (x - mean)^2 / (n - 1)); NaN for fewer than two values. */
export function standardDeviation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}

/**
 * Student's t interval of a mean: mean +- t_{(1+c)/2, n-1} * s / sqrt(n). Exact for normal values; null for n < 2.
 */
export function meanInterval(values: readonly number[], confidence = 0.95): Interval | null {
  const n = values.length;
  if (n < 2) return null;
  const center = mean(values);
  const half = studentQuantile((1 + confidence) / 2, n - 1) * (standardDeviation(values) / Math.sqrt(n));
  return { low: center - half, high: center + half, confidence };
}

/**
 * Percentile interval of bootstrap replicates (Efron & Tibshirani 1993, ch. 13): the (1-c)/2 and (1+c)/2 quantiles,
 * linearly interpolated. NaN replicates (a resample that lacks a class) are left out; null when none remain.
 */
export function percentileInterval(replicates: readonly number[], confidence = 0.95): Interval | null {
  const sorted = replicates.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const at = (p: number) => {
    const position = p * (sorted.length - 1);
    const below = Math.floor(position);
    const low = sorted[below] ?? Number.NaN;
    const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN;
    return low + (position - below) * (high - low);
  };
  return { low: at((1 - confidence) / 2), high: at((1 + confidence) / 2), confidence };
}

/** How sure a mean is: its standard error and the degrees of freedom of Student's t that it is judged by. */
export interface Uncertainty {
  readonly standardError: number;
  readonly degreesOfFreedom: number;
}

/**
 * What a mean difference owes to chance of both kinds: another draw of training photos and first weights (seeds), and
 * other objects in front of the camera (replicates of {@link pairedBootstrap}). The two variances add, and Satterthwaite's
 * formula gives the degrees of freedom: `V = s^2 / S + V_objects`, `df = V^2 / ((s^2/S)^2 / (S - 1) + V_objects^2 / (O - 1))`
 * (Satterthwaite 1946). What seeds and objects do together is in both terms, so the interval errs to the wide side.
 *
 * Null with fewer than two seeds, or where no replicate has a figure.
 *
 * @param perSeed a difference for each of S seeds
 * @param replicates of the mean over the seeds, for redrawn objects; NaN ones (a resample that lacks a class) are left out
 * @param objects O, how many objects were redrawn
 */
export function jointUncertainty(
  perSeed: readonly number[],
  replicates: readonly number[],
  objects: number,
): Uncertainty | null {
  const seeds = perSeed.length;
  const figures = replicates.filter((value) => !Number.isNaN(value));
  if (seeds < 2 || figures.length < 2) return null;
  const ofSeeds = standardDeviation(perSeed) ** 2 / seeds;
  const ofObjects = objects < 2 ? 0 : standardDeviation(figures) ** 2;
  const variance = ofSeeds + ofObjects;
  if (variance === 0) return { standardError: 0, degreesOfFreedom: seeds - 1 };
  const freedom = ofSeeds ** 2 / (seeds - 1) + (ofObjects === 0 ? 0 : ofObjects ** 2 / (objects - 1));
  return { standardError: Math.sqrt(variance), degreesOfFreedom: variance ** 2 / freedom };
}

/** `center` +- t_{(1+c)/2, df} x standard error. */
export function studentInterval(
  center: number,
  { standardError, degreesOfFreedom }: Uncertainty,
  confidence: number,
): Interval {
  const half = studentQuantile((1 + confidence) / 2, degreesOfFreedom) * standardError;
  return { low: center - half, high: center + half, confidence };
}

/** Two-sided p-value of a mean that would be 0 but for chance, 0..1. */
export function studentPValue(center: number, { standardError, degreesOfFreedom }: Uncertainty): number {
  if (standardError === 0) return center === 0 ? 1 : 0;
  return 2 * studentCdf(-Math.abs(center) / standardError, degreesOfFreedom);
}

/** Above this, 2^n sign patterns are sampled instead of counted. */
const COUNTED_FLIPS = 16;
const SAMPLED_FLIPS = 100_000;

/** A two-sided permutation test that needs no distribution. */
export interface SignFlip {
  readonly pValue: number;
  /** What the test could have said at the least with so many differences, 2 / 2^n. */
  readonly smallest: number;
}

/**
 * Sign-flip permutation test of paired differences (Fisher 1935; Good 2005, ch. 3): the share of sign patterns whose
 * sum is at least as far from 0. Exact up to 16 differences, then by 100,000 patterns with the observed one counted.
 * @throws RangeError without differences
 */
export function signFlipTest(differences: readonly number[], uniform: () => number): SignFlip {
  const n = differences.length;
  if (n === 0) throw new RangeError("A sign-flip test needs at least one difference.");
  const size = differences.reduce((sum, value) => sum + Math.abs(value), 0);
  // Sums of the same numbers in other orders differ by rounding.
  const reached = Math.abs(differences.reduce((sum, value) => sum + value, 0)) - 1e-12 * size;
  const isAsFar = (isFlipped: (index: number) => boolean) =>
    Math.abs(differences.reduce((sum, value, index) => sum + (isFlipped(index) ? -value : value), 0)) >=
    reached;
  const smallest = n > COUNTED_FLIPS ? 1 / (SAMPLED_FLIPS + 1) : Math.min(1, 2 / 2 ** n);
  let hits = 0;
  if (n <= COUNTED_FLIPS) {
    for (let pattern = 0; pattern < 2 ** n; pattern++) {
      if (isAsFar((index) => ((pattern >> index) & 1) === 1)) hits++;
    }
    return { pValue: hits / 2 ** n, smallest };
  }
  for (let draw = 0; draw < SAMPLED_FLIPS; draw++) if (isAsFar(() => uniform() < 0.5)) hits++;
  return { pValue: (hits + 1) / (SAMPLED_FLIPS + 1), smallest };
}

/**
 * Holm's step-down correction: p-values that may each be held against the level of the whole family (Holm 1979). In
 * the order given.
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, index) => index).sort((a, b) => pValues[a]! - pValues[b]!);
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  for (const [rank, index] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * pValues[index]!));
    adjusted[index] = largest;
  }
  return adjusted;
}

/** Quantile of Student's t: the t with P(T <= t) = probability at `df` degrees of freedom. */
export function studentQuantile(probability: number, df: number): number {
  if (!(probability > 0 && probability < 1)) {
    throw new RangeError(`A quantile needs a probability between 0 and 1, got ${probability}.`);
  }
  if (probability === 0.5) return 0;
  if (probability < 0.5) return -studentQuantile(1 - probability, df);
  let high = 1;
  while (studentCdf(high, df) < probability) high *= 2;
  let low = high / 2 < 1 ? 0 : high / 2;
  // Bisection to the last bit that matters: the function is monotone and this runs a few dozen times a study.
  for (let step = 0; step < 200 && high - low > 1e-13 * high; step++) {
    const middle = (low + high) / 2;
    if (studentCdf(middle, df) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(T <= t) for Student's t: 1 - I_x(df/2, 1/2) / 2 with x = df / (df + t^2), for t >= 0. */
export function studentCdf(t: number, df: number): number {
  const tail = incompleteBeta(df / (df + t * t), df / 2, 0.5) / 2;
  return t >= 0 ? 1 - tail : tail;
}

/** Regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22, Lentz's method). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast only below the mean of the distribution; the other side by symmetry (DLMF 8.17.4).
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  const tiny = 1e-300;
  const nonZero = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + even * d);
    c = nonZero(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + odd * d);
    c = nonZero(1 + odd / c);
    const change = d * c;
    fraction *= change;
    if (Math.abs(change - 1) < 1e-15) break;
  }
  return (front * fraction) / a;
}

// Lanczos approximation with g = 7 and nine terms (Godfrey 2001): relative error below 1e-14 for x > 0.
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Gamma(x) for x > 0. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const z = x - 1;
  const series = lanczos.reduce((sum, term, index) => (index === 0 ? term : sum + term / (z + index)), 0);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(series);
}
