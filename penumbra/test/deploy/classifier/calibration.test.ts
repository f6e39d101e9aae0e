import { Random } from "@penumbra/torch/random";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { flaggedShares, KnownScores, viewSets } from "../../../src/deploy/classifier/calibration.ts";

describe("p-values of known objects", () => {
  /** Objects of one population: a quality of their own, and views that spread around it. */
  function scoresOf(random: Random, objects: number, views: number) {
    const scores: number[] = [];
    const owners: number[] = [];
    for (let object = 0; object < objects; object++) {
      const quality = random.normal();
      for (let view = 0; view < views; view++) {
        scores.push(quality + 0.7 * random.normal());
        owners.push(object);
      }
    }
    return { scores, owners };
  }

  test.each([
    { objects: 19, views: 1 },
    { objects: 24, views: 8 },
    { objects: 60, views: 3 },
  ])("flag no more than the level, with $objects objects of $views views", ({ objects, views }) => {
    const random = new Random(objects * views);
    const levels = [0.05, 0.1, 0.25];
    const flagged = new Map(levels.map((level) => [level, 0]));
    const draws = 4000;
    for (let draw = 0; draw < draws; draw++) {
      const { scores, owners } = scoresOf(random, objects, views);
      const known = new KnownScores(scores, owners);
      const fresh = scoresOf(random, 1, 1).scores[0]!;
      for (const level of levels)
        if (known.pValue(fresh) <= level) flagged.set(level, flagged.get(level)! + 1);
    }
    for (const level of levels) {
      // Four standard deviations of a binomial: one run in 30,000 is outside by chance.
      const slack = 4 * Math.sqrt((level * (1 - level)) / draws);
      expect(flagged.get(level)! / draws).toBeLessThan(level + slack);
      // And they are no more cautious than one object in as many makes them.
      expect(flagged.get(level)! / draws).toBeGreaterThan(level - 2 / (objects + 1) - slack);
    }
  });

  test("flag a share of test objects that both draws explain, and a binomial around the level does not", () => {
    const random = new Random(7);
    const [calibration, tested, level, draws] = [48, 120, 0.1, 2000];
    const { mean, low, high } = flaggedShares({ calibration, tested, level });
    // scipy.stats.betabinom(120, 4, 45).ppf([0.025, 0.975]) / 120
    expect([mean, low, high]).toEqual([4 / 49, 2 / 120, 23 / 120]);
    const sd = Math.sqrt((level * (1 - level)) / tested);
    let [sum, inside, insideBinomial] = [0, 0, 0];
    for (let draw = 0; draw < draws; draw++) {
      const { scores, owners } = scoresOf(random, calibration, 1);
      const known = new KnownScores(scores, owners);
      const share =
        scoresOf(random, tested, 1).scores.filter((score) => known.pValue(score) <= level).length / tested;
      sum += share;
      if (share >= low && share <= high) inside++;
      if (Math.abs(share - level) <= 1.96 * sd) insideBinomial++;
    }
    // Four standard deviations of 2,000 draws; the interval of whole objects holds a little more than 95 %.
    expect(sum / draws).toBeGreaterThan(mean - 0.005);
    expect(sum / draws).toBeLessThan(mean + 0.005);
    expect(inside / draws).toBeGreaterThan(0.95 - 0.02);
    expect(insideBinomial / draws).toBeLessThan(0.9);
  });

  test("are 1 / (objects + 1) for a score below all, 1 for one above all, and never fall as scores grow", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -50, max: 50 }), fc.nat({ max: 6 })), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.array(fc.integer({ min: -60, max: 60 }), { minLength: 2, maxLength: 10 }),
        (items, asked) => {
          const known = new KnownScores(
            items.map(([score]) => score),
            items.map(([, object]) => object),
          );
          expect(known.pValue(-1000)).toBeCloseTo(1 / (known.objects + 1), 12);
          expect(known.pValue(1000)).toBeCloseTo(1, 12);
          const values = asked.sort((a, b) => a - b).map((score) => known.pValue(score));
          expect(values).toEqual([...values].sort((a, b) => a - b));
        },
      ),
    );
  });

  test("agree with the threshold: below it is unknown, at it and above is not", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.nat({ max: 6 })), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.integer({ min: -10, max: 10 }),
        (items, level, score) => {
          const known = new KnownScores(
            items.map(([value]) => value),
            items.map(([, object]) => object),
          );
          const threshold = known.threshold(level);
          expect(known.pValue(score) <= level).toBe(score < threshold);
          // Where p is continuous it is the level there.
          if (known.state.tie > 0 && Number.isFinite(threshold) && threshold > known.state.scores[0]!)
            expect(known.pValue(threshold)).toBeCloseTo(level, 9);
        },
      ),
    );
  });

  test("are continuous, and never below the step of which they are the ramp", () => {
    const scores = [-4, -1, -1, 0.5, 2, 2.01, 7];
    const owners = [0, 0, 1, 1, 2, 3, 4];
    const known = new KnownScores(scores, owners);
    const counts = owners.map((owner) => owners.filter((other) => other === owner).length);
    const step = (score: number) =>
      (1 + scores.reduce((sum, other, i) => sum + (other <= score ? 1 / counts[i]! : 0), 0)) / 6;
    const { tie } = known.state;
    for (let score = -5; score < 8; score += tie / 7) {
      expect(known.pValue(score)).toBeGreaterThanOrEqual(step(score) - 1e-12);
      expect(known.pValue(score)).toBeLessThanOrEqual(step(score + tie) + 1e-12);
      // Its steepest slope: at most two scores lie within a tie here, of whole objects.
      expect(known.pValue(score + 1e-6 * tie) - known.pValue(score)).toBeLessThan(2e-6);
    }
    for (const score of scores) expect(known.pValue(score)).toBeGreaterThanOrEqual(step(score) - 1e-12);
  });

  test("refuse nothing at all and what is no number", () => {
    expect(() => new KnownScores([], [])).toThrow(/needs scores/);
    expect(() => new KnownScores([1, Number.NaN], [0, 1])).toThrow(/not a number/);
  });
});

describe("sets of views", () => {
  const objects = ["a", "a", "a", "b", "b", "c"];
  const labels = [0, 0, 0, 1, 1, 0];

  test("are all that there are where they are few, and the whole object where it has no more", () => {
    const sets = viewSets({ objects, labels }, 2);
    expect(sets.objects).toEqual([0, 0, 0, 1, 2]);
    expect(sets.labels).toEqual([0, 0, 0, 1, 0]);
    expect(sets.averaging.tolist()).toEqual([
      [0.5, 0.5, 0, 0, 0, 0],
      [0.5, 0, 0.5, 0, 0, 0],
      [0, 0.5, 0.5, 0, 0, 0],
      [0, 0, 0, 0.5, 0.5, 0],
      [0, 0, 0, 0, 0, 1],
    ]);
  });

  test("of many views are 16 an object, of that size, the same every time", () => {
    const many = {
      objects: Array.from({ length: 24 }, (_, i) => `o${i % 2}`),
      labels: Array<number>(24).fill(0),
    };
    const rows = viewSets(many, 4).averaging.tolist() as number[][];
    expect(rows).toHaveLength(32);
    for (const row of rows) expect(row.filter((weight) => weight === 0.25)).toHaveLength(4);
    expect(viewSets(many, 4).averaging.tolist()).toEqual(rows);
  });

  test("refuse objects without a view", () => {
    expect(() => viewSets({ objects, labels }, 0)).toThrow(/0 views/);
  });
});
