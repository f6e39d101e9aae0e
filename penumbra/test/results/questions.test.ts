import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ArmDesign, compareArms, FACTORS, questionsOf, verdictOf } from "../../src/results/questions.ts";
import { type ArmName, armNames, designsOf } from "../../src/study/arms/arms.ts";

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
  const accuracies: Record<ArmName, number[]> = {
    "cross-entropy": [0.5, 0.52],
    supcon: [0.6, 0.63],
    "supcon+faithful": [0.65, 0.66],
    "supcon+near-ood": [0.61, 0.62],
    "supcon+both": [0.7, 0.71],
  };
  const compare = (arms: readonly ArmName[], far = Number.NaN) =>
    compareArms({
      questions: questionsOf(designsOf(arms)),
      seeds: [0, 1],
      confidence: 0.95,
      margin: 0.01,
      figure: (outcome, arm, seed) => (outcome === "far" ? far : (accuracies[arm as ArmName][seed] ?? 0)),
      bootstrap: () => null,
    });

  it("judge redraws by their main effect in the 2 x 2 design", () => {
    const faithful = compare(armNames).find(({ question }) => question === "positives: faithful");
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
    expect(questionsOf(designsOf(armNames)).map(({ treatment, control }) => [treatment, control])).toEqual([
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
    ]);
  });

  it("hold for any design: pairs differ in what is asked and in nothing else, and no pair is forgotten", () => {
    const level = fc.constantFrom(null, "a", "b");
    const design = fc.record({
      positives: level,
      negatives: level,
      objective: fc.constantFrom("x", "y", "z"),
    });
    const designs = fc
      .uniqueArray(design, { selector: (item) => JSON.stringify(item), maxLength: 10 })
      .map((items) => items.map((item, index): ArmDesign => ({ ...item, name: `arm ${index}` })));
    fc.assert(
      fc.property(designs, (arms) => {
        for (const { changes, treatment, control } of questionsOf(arms)) {
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
          const [change, second] = changes;
          if (!change || second) continue;
          const withIt = arms.filter((arm) => arm[change.factor] === change.to);
          const hasPartner = (arm: ArmDesign) =>
            arms.some((other) =>
              FACTORS.every(
                (factor) => other[factor] === (factor === change.factor ? change.from : arm[factor]),
              ),
            );
          expect(treatment).toEqual(withIt.filter(hasPartner).map(({ name }) => name));
        }
      }),
    );
  });

  it("leave out an outcome that the photos cannot give", () => {
    expect(compare(armNames).some(({ outcome }) => outcome === "far")).toBe(false);
    expect(compare(armNames, 0.9).some(({ outcome }) => outcome === "far")).toBe(true);
  });
});
