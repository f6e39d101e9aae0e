import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  incompleteBeta,
  logGamma,
  meanInterval,
  pairedDifference,
  percentileInterval,
  studentCdf,
  studentQuantile,
} from "../../src/results/statistics.ts";

// Expected values: scipy 1.17.1 (stats.t, special.betainc, special.gammaln, stats.ttest_rel) and numpy.quantile.
// Relative tolerance 1e-10: both sides compute in float64 by different methods.
const close = (actual: number, expected: number) =>
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-10 * Math.max(1e-3, Math.abs(expected)));

describe("Student's t", () => {
  it.each([
    [0.6, 1, 0.32491969623290634],
    [0.6, 9, 0.260955336473911],
    [0.9, 2, 1.8856180831641272],
    [0.975, 1, 12.706204736174694],
    [0.975, 2, 4.302652729749462],
    [0.975, 4, 2.7764451051977934],
    [0.975, 9, 2.262157162798205],
    [0.975, 63, 1.998340542520741],
    [0.9995, 1, 636.6192487687897],
    [0.9995, 4, 8.610301581379522],
  ])("has scipy's quantile at %f with %i degrees of freedom", (probability, df, expected) => {
    close(studentQuantile(probability, df), expected);
    close(studentQuantile(1 - probability, df), -expected);
  });

  it.each([
    [-3.1, 3, 0.02664777230716804],
    [-0.2, 20, 0.42175008348394183],
    [0, 1, 0.5],
    [0.7, 3, 0.7328365008476182],
    [5, 1, 0.9371670418109987],
  ])("has scipy's distribution function at %f with %i degrees of freedom", (t, df, expected) => {
    close(studentCdf(t, df), expected);
  });

  it("has a quantile that inverts the distribution function", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        fc.integer({ min: 1, max: 200 }),
        (p, df) => {
          expect(studentCdf(studentQuantile(p, df), df)).toBeCloseTo(p, 10);
        },
      ),
    );
  });

  it("refuses a probability of 0 or 1", () => {
    expect(() => studentQuantile(1, 3)).toThrow(/between 0 and 1/);
  });
});

describe("special functions", () => {
  it.each([
    [0.1, 0.5, 0.5, 0.20483276469913345],
    [0.5, 2, 3, 0.6875],
    [0.9, 10, 0.5, 0.15164090963470994],
    [0.999, 30, 0.5, 0.8072373061595369],
    [1e-6, 1.5, 0.5, 4.244133089024101e-10],
  ])("incomplete beta at %f, %f, %f equals scipy's", (x, a, b, expected) =>
    close(incompleteBeta(x, a, b), expected),
  );

  it.each([
    [0.1, 2.252712651734206],
    [0.5, 0.5723649429247],
    [2.5, 0.2846828704729192],
    [10, 12.801827480081469],
    [100.5, 361.43554046777757],
  ])("log gamma at %f equals scipy's", (x, expected) => close(logGamma(x), expected));
});

describe("a paired difference", () => {
  const a = [0.71, 0.68, 0.74, 0.7, 0.73];
  const b = [0.66, 0.67, 0.7, 0.69, 0.66];

  it("has the mean, standard error and interval of scipy's paired t test", () => {
    const difference = pairedDifference(a, b);
    close(difference.mean, 0.036);
    close(difference.standardError ?? 0, 0.011661903789690587);
    close(difference.interval?.low ?? 0, 0.0036213643058259568);
    close(difference.interval?.high ?? 0, 0.06837863569417402);
    close(pairedDifference(a, b, 0.9).interval?.low ?? 0, 0.01113860788349752);
  });

  it("has no interval with one seed", () => {
    expect(pairedDifference([0.7], [0.6])).toMatchObject({ standardError: null, interval: null });
  });

  it("changes its sign when the arms change places", () => {
    const forth = pairedDifference(a, b);
    const back = pairedDifference(b, a);
    expect(back.mean).toBeCloseTo(-forth.mean, 14);
    expect(back.interval?.low).toBeCloseTo(-(forth.interval?.high ?? 0), 12);
  });

  it("refuses arms with different numbers of seeds", () => {
    expect(() => pairedDifference([1, 2], [1])).toThrow(/same seeds/);
  });

  it("has an interval that holds the true mean as often as it says", () => {
    // 2,000 draws of four normal values: the share of covering intervals has a standard error of 0.005.
    const uniform = generator(11);
    const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    let covered = 0;
    for (let run = 0; run < 2000; run++) {
      const interval = meanInterval([0, 1, 2, 3].map(() => 5 + 2 * normal()));
      if (interval && interval.low < 5 && interval.high > 5) covered++;
    }
    expect(covered / 2000).toBeGreaterThan(0.93);
    expect(covered / 2000).toBeLessThan(0.97);
  });
});

describe("a percentile interval", () => {
  it("has numpy's interpolated quantiles", () => {
    const interval = percentileInterval([3, 1, 4, 1, 5, 9, 2, 6], 0.9);
    expect(interval).toMatchObject({ low: 1, confidence: 0.9 });
    expect(interval?.high).toBeCloseTo(7.95, 12);
  });

  it("leaves out replicates that could not be computed, and is null when none could", () => {
    expect(percentileInterval([Number.NaN, 2, 2])).toMatchObject({ low: 2, high: 2 });
    expect(percentileInterval([Number.NaN])).toBeNull();
  });
});

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
