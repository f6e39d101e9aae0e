import { describe, expect, it } from "vitest";
import type { Split } from "../../src/data/index.ts";
import { usualArms } from "../../src/study/arms/index.ts";
import { PRESETS, parseSettings, TABLES } from "../../src/study/config/index.ts";
import { describeForesight, foresee } from "../../src/study/foresight.ts";

const photos = (count: number) =>
  Array.from({ length: 2 * count }, (_, index) => ({
    object: `c/${index >> 1}`,
  })) as unknown as Split["test"];
const split = (known: number, near: number) => ({ test: photos(known), nearTest: photos(near) });
/** A single hypothesis about accuracy, unless other arms are given. */
const foreseen = (of: ReturnType<typeof split>, seeds: number, arms: readonly string[] = ONE) => {
  const config = parseSettings(
    { photos: "x", seeds: Array.from({ length: seeds }, (_, i) => i), arms },
    "test",
  );
  return foresee(of, { config, tables: TABLES });
};
const ONE = ["supcon", "supcon+faithful"];

describe("what a study can find", () => {
  it("is a smaller difference with more seeds, and with more test objects", () => {
    const few = foreseen(split(100, 20), 3);
    const seeds = foreseen(split(100, 20), 20);
    const objects = foreseen(split(1000, 20), 20);
    for (const name of ["accuracy", "near"] as const) {
      expect(seeds[name]).toBeLessThan(few[name]!);
      expect(objects[name]).toBeLessThan(seeds[name]!);
    }
    // Three seeds of deviation 1.02 points: (4.30 + 1.06) x 0.59 points, and a little for the objects.
    expect(foreseen(split(1e6, 0), 3).accuracy).toBeCloseTo((4.3027 + 1.0607) * (0.0102 / Math.sqrt(3)), 4);
  });

  it("is a larger difference among more hypotheses, those about unknowns where there are some", () => {
    const of = (arms: readonly string[], near = 9) => foreseen(split(50, near), 5, arms);
    expect([of(ONE).hypotheses, of(usualArms()).hypotheses, of(usualArms(), 0).hypotheses]).toEqual([
      1, 4, 2,
    ]);
    const sizes = [of(ONE), of(usualArms()), of(PRESETS.thesis.settings.arms)].map(
      ({ accuracy }) => accuracy!,
    );
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect(new Set(sizes).size).toBe(3);
    expect(describeForesight(of(usualArms()))).toContain(
      "in four of five studies, corrected for 4 hypotheses, if",
    );
    expect(describeForesight(of(ONE))).toContain("in four of five studies, if");
  });

  it("says nothing of near unknowns where there are none, and nothing at all with one seed", () => {
    expect(foreseen(split(50, 0), 5).near).toBeNull();
    expect(describeForesight(foreseen(split(50, 0), 5))).toMatch(
      /^Power: 5 seeds find a difference of \d\.\d points in accuracy in four/,
    );
    expect(describeForesight(foreseen(split(50, 9), 5))).toMatch(/and of \d\.\d in near AUROC/);
    expect(describeForesight(foreseen(split(50, 9), 1))).toMatch(/one seed decides nothing/);
    // No verdict rests on fewer than three.
    expect(describeForesight(foreseen(split(50, 9), 2))).toMatch(/2 seeds decide nothing/);
  });
});
