import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ArmDesign, FACTORS } from "../../src/results/design.ts";
import { compareArms, questionsOf, verdictOf } from "../../src/results/questions.ts";
import { type ArmName, designsOf, usualArms } from "../../src/study/arms/arms.ts";

const interval = (low: number, high: number) => ({ low, high, confidence: 0.95 });

describe("a verdict", () => {
  it.each([
    [interval(0.001, 0.1), "better"],
    [interval(-0.1, -0.001), "worse"],
    [interval(-0.004, 0.006), "same"],
    [interval(-0.004, 0.06), "undecided"],
    [interval(-0.5, 0.9), "undecided"],
    [null, "undecided"],
  ] as const)("on %o is %s", (range, verdict) => {
    expect(verdictOf(range, 0.01, 5)).toBe(verdict);
  });

  it("is never given by fewer than three seeds, however narrow their interval", () => {
    for (const seeds of [1, 2]) expect(verdictOf(interval(0.02, 0.03), 0.01, seeds)).toBe("undecided");
    expect(verdictOf(interval(0.02, 0.03), 0.01, 3)).toBe("better");
  });
});

describe("the questions", () => {
  const accuracies: Partial<Record<ArmName, number[]>> = {
    "cross-entropy": [0.5, 0.52],
    supcon: [0.6, 0.63],
    "supcon+faithful": [0.65, 0.66],
    "supcon+near-ood": [0.61, 0.62],
    "supcon+both": [0.7, 0.71],
  };
  const compare = (arms: readonly string[], far = Number.NaN) =>
    compareArms({
      questions: questionsOf(designsOf(arms)),
      unit: "photo",
      margin: 0.01,
      judge({ treatment, control }, outcome) {
        const figure = (arm: string, seed: number) =>
          outcome === "far" ? far : (accuracies[arm as ArmName]?.[seed] ?? Number.NaN);
        const side = (names: readonly string[], seed: number) =>
          names.reduce((sum, arm) => sum + figure(arm, seed), 0) / names.length;
        const perSeed = [0, 1].map((seed) => side(treatment, seed) - side(control, seed));
        if (perSeed.some(Number.isNaN)) return null;
        return {
          ...{ perSeed, mean: 0, interval: null, overSeeds: null, overObjects: null },
          ...{ pValue: null, objectVariance: 0, objects: 0 },
        };
      },
    });

  it("judge redraws by their main effect in the 2 x 2 design", () => {
    const faithful = compare(usualArms()).find(({ question }) => question === "positives: faithful");
    // ((0.65 - 0.60) + (0.70 - 0.61)) / 2 and ((0.66 - 0.63) + (0.71 - 0.62)) / 2
    expect(faithful?.perSeed[0]).toBeCloseTo(0.07, 12);
    expect(faithful?.perSeed[1]).toBeCloseTo(0.06, 12);
  });

  it("fall back on the arms that were run, and are left out where those cannot answer", () => {
    const arms: ArmName[] = ["supcon", "supcon+near-ood"];
    expect(compare(arms).map(({ question }) => question)).toEqual([
      "negatives: near-ood",
      "negatives: near-ood",
    ]);
    expect(questionsOf(designsOf(arms))).toMatchObject([
      { treatment: ["supcon+near-ood"], control: ["supcon"] },
    ]);
  });

  it("of all arms are the four of the study, each with the arms that differ in it alone", () => {
    expect(questionsOf(designsOf(usualArms())).map(({ treatment, control }) => [treatment, control])).toEqual(
      [
        [
          ["supcon+faithful", "supcon+both"],
          ["supcon", "supcon+near-ood"],
        ],
        [
          ["supcon+near-ood", "supcon+both"],
          ["supcon", "supcon+faithful"],
        ],
        [["supcon+both"], ["supcon"]],
        [["supcon"], ["cross-entropy"]],
      ],
    );
  });

  it("hold for any design: pairs differ in what is asked and in nothing else, and no pair is forgotten", () => {
    const level = fc.constantFrom(null, "a", "b");
    const used = fc.constantFrom(
      { negatives: null, use: null },
      ...["a", "b"].flatMap((negatives) => ["u", "v"].map((use) => ({ negatives, use }))),
    );
    const design = fc.record({
      positives: level,
      used,
      changes: fc.constantFrom(null, "weight 2"),
      objective: fc.constantFrom("x", "y", "z"),
    });
    const designs = fc
      .uniqueArray(design, { selector: (item) => JSON.stringify(item), maxLength: 10 })
      .map((items) =>
        items.map(({ used, ...item }, index): ArmDesign => ({ ...item, ...used, name: `arm ${index}` })),
      );
    fc.assert(
      fc.property(designs, (arms) => {
        const questions = questionsOf(arms);
        expect(new Set(questions.map(({ name }) => name)).size).toBe(questions.length);
        for (const { changes, objective, treatment, control } of questions) {
          expect(treatment.length).toBe(control.length);
          const at = (name: string | undefined) => {
            const arm = arms.find((item) => item.name === name);
            if (!arm) throw new Error(`There is no arm ${name}.`);
            return arm;
          };
          for (const [index, name] of treatment.entries()) {
            const differing = FACTORS.filter((factor) => at(name)[factor] !== at(control[index])[factor]);
            expect(differing).toEqual(
              FACTORS.filter((item) => changes.some(({ factor }) => factor === item)),
            );
          }
          const [change] = changes;
          if (change === undefined) throw new Error("A question is about something.");
          const own = arms.filter((arm) => objective === null || arm.objective === objective);
          const withIt = own.filter((arm) => changes.every(({ factor, to }) => arm[factor] === to));
          const hasPartner = (arm: ArmDesign) =>
            own.some((other) =>
              FACTORS.every((factor) => {
                const changed = changes.find((item) => item.factor === factor);
                return other[factor] === (changed ? changed.from : arm[factor]);
              }),
            );
          expect(treatment).toEqual(withIt.filter(hasPartner).map(({ name }) => name));
        }
      }),
    );
  });

  it("ask of each objective by itself what images do to it, and say which", () => {
    const arms: ArmName[] = ["supcon", "supcon+near-ood", "supcon+ce", "supcon+ce+near-ood"];
    expect(
      questionsOf(designsOf(arms)).map(({ name, treatment, control }) => [name, treatment, control]),
    ).toEqual([
      ["negatives: near-ood (supcon)", ["supcon+near-ood"], ["supcon"]],
      ["negatives: near-ood (supcon+ce)", ["supcon+ce+near-ood"], ["supcon+ce"]],
      ["objective: supcon+ce", ["supcon+ce", "supcon+ce+near-ood"], ["supcon", "supcon+near-ood"]],
    ]);
  });

  it("hold each use of the same negatives, and each kind of negatives in the same use, against the first", () => {
    const arms: ArmName[] = [
      ...(["cross-entropy", "cross-entropy+background", "cross-entropy+exposure"] as const),
      ...(["supcon", "supcon+near-ood", "supcon+faithful-negatives"] as const),
    ];
    expect(questionsOf(designsOf(arms)).map(({ name }) => name)).toEqual([
      "negatives: near-ood, use: extra-class (cross-entropy)",
      "negatives: near-ood, use: outlier-exposure (cross-entropy)",
      "use: extra-class instead of outlier-exposure (cross-entropy)",
      "negatives: near-ood, use: columns (supcon)",
      "negatives: faithful, use: columns (supcon)",
      "negatives: near-ood instead of faithful (supcon)",
      "objective: supcon",
    ]);
  });

  it("leave out an outcome that the photos cannot give", () => {
    expect(compare(usualArms()).some(({ outcome }) => outcome === "far")).toBe(false);
    expect(compare(usualArms(), 0.9).some(({ outcome }) => outcome === "far")).toBe(true);
  });
});
