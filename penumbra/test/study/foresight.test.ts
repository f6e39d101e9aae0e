import { describe, expect, it } from "vitest";
import type { Split } from "../../src/data/index.ts";
import { describeForesight, foresee } from "../../src/study/foresight.ts";

const photos = (count: number) =>
  Array.from({ length: 2 * count }, (_, index) => ({
    object: `c/${index >> 1}`,
  })) as unknown as Split["test"];
const split = (known: number, near: number) => ({ test: photos(known), nearTest: photos(near) });
const settings = { confidence: 0.95 };

describe("what a study can find", () => {
  it("is a smaller difference with more seeds, and with more test objects", () => {
    const few = foresee(split(100, 20), 3, settings);
    const seeds = foresee(split(100, 20), 20, settings);
    const objects = foresee(split(1000, 20), 20, settings);
    for (const name of ["accuracy", "near"] as const) {
      expect(seeds[name]).toBeLessThan(few[name]!);
      expect(objects[name]).toBeLessThan(seeds[name]!);
    }
    // Three seeds of deviation 1.02 points: (4.30 + 1.06) x 0.59 points, and a little for the objects.
    expect(foresee(split(1e6, 0), 3, settings).accuracy).toBeCloseTo(
      (4.3027 + 1.0607) * (0.0102 / Math.sqrt(3)),
      4,
    );
  });

  it("says nothing of near unknowns where there are none, and nothing at all with one seed", () => {
    expect(foresee(split(50, 0), 5, settings).near).toBeNull();
    expect(describeForesight(foresee(split(50, 0), 5, settings))).toMatch(
      /^Power: 5 seeds find a difference of \d\.\d points in accuracy in four/,
    );
    expect(describeForesight(foresee(split(50, 9), 5, settings))).toMatch(/and of \d\.\d in near AUROC/);
    expect(describeForesight(foresee(split(50, 9), 1, settings))).toMatch(/one seed decides nothing/);
  });
});
