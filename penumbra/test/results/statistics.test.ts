import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  holm,
  incompleteBeta,
  jointUncertainty,
  logGamma,
  meanInterval,
  percentileInterval,
  signFlipTest,
  standardDeviation,
  studentCdf,
  studentInterval,
  studentPValue,
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

describe("the interval of a mean", () => {
  const differences = [0.05, 0.01, 0.04, 0.01, 0.07];

  it("is that of scipy's paired t test", () => {
    const interval = meanInterval(differences);
    close(interval?.low ?? 0, 0.0036213643058259568);
    close(interval?.high ?? 0, 0.06837863569417402);
    close(meanInterval(differences, 0.9)?.low ?? 0, 0.01113860788349752);
  });

  it("does not exist for one value", () => {
    expect(meanInterval([0.1])).toBeNull();
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

describe("the interval over seeds and objects", () => {
  const gaussian = (seed: number) => {
    const uniform = generator(seed);
    return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  };

  it("is Student's t over seeds where objects add nothing", () => {
    const perSeed = [0.05, 0.01, 0.04, 0.01, 0.07];
    const uncertainty = jointUncertainty(perSeed, [0.036, 0.036, 0.036], 20);
    expect(uncertainty?.degreesOfFreedom).toBe(4);
    const interval = studentInterval(0.036, uncertainty ?? fail(), 0.95);
    close(interval.low, meanInterval(perSeed)?.low ?? 0);
    // scipy.stats.ttest_1samp
    close(studentPValue(0.036, uncertainty ?? fail()), 0.03668198940044108);
  });

  it("has Satterthwaite's degrees of freedom, and none without a second seed or a replicate", () => {
    const { standardError, degreesOfFreedom } = jointUncertainty([1, 3, 5], [0, 2, 4], 11) ?? fail();
    // s^2/S = 4/3, V_objects = 4: (16/3)^2 / ((4/3)^2/2 + 16/10)
    close(standardError, Math.sqrt(16 / 3));
    close(degreesOfFreedom, (16 / 3) ** 2 / ((4 / 3) ** 2 / 2 + 1.6));
    expect(jointUncertainty([1], [0, 1], 5)).toBeNull();
    expect(jointUncertainty([1, 2], [Number.NaN, 1], 5)).toBeNull();
    expect(jointUncertainty([1, 1], [1, 1], 5)).toEqual({ standardError: 0, degreesOfFreedom: 1 });
    expect(studentPValue(0, { standardError: 0, degreesOfFreedom: 1 })).toBe(1);
  });

  // Differences d_so = a_s + b_o + e_so around 0, as the standard deviations say. The interval over seeds alone misses
  // the truth in one of three studies of the first kind.
  it.each([
    [5, { seeds: 1, objects: 10, both: 0 }],
    [3, { seeds: 1, objects: 10, both: 10 }],
    [5, { seeds: 0.3, objects: 10, both: 10 }],
    [10, { seeds: 1, objects: 3, both: 10 }],
  ])("holds the truth in at least 94 of 100 studies of %i seeds with deviations %o", (seeds, deviations) => {
    const normal = gaussian(17);
    const objects = 60;
    const studies = 600;
    let covered = 0;
    let coveredBySeeds = 0;
    for (let study = 0; study < studies; study++) {
      const ofObject = Array.from({ length: objects }, () => deviations.objects * normal());
      const seen = Array.from({ length: seeds }, () => {
        const ofSeed = deviations.seeds * normal();
        return ofObject.map((value) => ofSeed + value + deviations.both * normal());
      });
      const perSeed = seen.map((values) => average(values));
      const center = average(perSeed);
      const byObject = ofObject.map((_, object) => average(seen.map((values) => values[object] ?? fail())));
      // What a bootstrap of the mean converges to, written as two replicates of that variance.
      const spread = standardDeviation(byObject) / Math.sqrt(2 * objects);
      const uncertainty = jointUncertainty(perSeed, [center - spread, center + spread], objects) ?? fail();
      const { low, high } = studentInterval(center, uncertainty, 0.95);
      if (low <= 0 && high >= 0) covered++;
      const alone = meanInterval(perSeed) ?? fail();
      if (alone.low <= 0 && alone.high >= 0) coveredBySeeds++;
    }
    // 0.94 less two standard errors of 600 studies.
    expect(covered / studies).toBeGreaterThan(0.94 - 2 * Math.sqrt((0.05 * 0.95) / studies));
    expect(covered).toBeGreaterThanOrEqual(coveredBySeeds);
  });
});

describe("the sign-flip test", () => {
  const never = () => fail();

  it("counts the patterns: 2 of 32 for five differences of one sign", () => {
    expect(signFlipTest([1, 2, 3, 4, 5], never)).toEqual({ pValue: 2 / 32, smallest: 2 / 32 });
    expect(signFlipTest([-1, -2, -3], never).pValue).toBe(2 / 8);
    expect(signFlipTest([1, -1], never).pValue).toBe(1);
    expect(signFlipTest([0, 0, 0], never).pValue).toBe(1);
    expect(() => signFlipTest([], never)).toThrow(/at least one/);
  });

  it("does not depend on order, sign or scale", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 9 }), (list) => {
        const { pValue, smallest } = signFlipTest(list, never);
        expect(signFlipTest(list.map((value) => -0.01 * value).reverse(), never).pValue).toBe(pValue);
        expect(pValue).toBeGreaterThanOrEqual(smallest);
      }),
    );
  });

  it("samples the patterns of many differences close to Student's t", () => {
    const normal = generator(5);
    const list = Array.from({ length: 30 }, () => normal() - 0.4);
    const t = Math.abs(average(list)) / (standardDeviation(list) / Math.sqrt(30));
    const expected = 2 * studentCdf(-t, 29);
    expect(Math.abs(signFlipTest(list, generator(6)).pValue - expected)).toBeLessThan(0.03);
  });
});

describe("Holm's correction", () => {
  it("multiplies the smallest by the number of all, the next by what is left, and never falls", () => {
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });

  it("keeps the order, lowers no p-value and is Bonferroni's for the smallest", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 }),
        (list) => {
          const adjusted = holm(list);
          const smallest = list.indexOf(Math.min(...list));
          expect(adjusted[smallest]).toBeCloseTo(Math.min(1, list.length * Math.min(...list)), 12);
          for (const [index, value] of list.entries()) {
            expect(adjusted[index]).toBeGreaterThanOrEqual(value);
            for (const [other, its] of list.entries()) {
              if (its < value) expect(adjusted[other]).toBeLessThanOrEqual(adjusted[index] ?? fail());
            }
          }
        },
      ),
    );
  });
});

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function fail(): never {
  throw new Error("There is no such value.");
}
