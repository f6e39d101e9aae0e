import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/results/index.ts";
import { recommendArm } from "../../src/results/index.ts";
import { exampleOutcome } from "../report/outcome.ts";

/** An outcome without unknowns to choose by, in which cross-entropy is the most accurate on the test. */
function withoutUnknowns(): Outcome {
  const outcome = exampleOutcome();
  return {
    ...outcome,
    results: outcome.results.flatMap((line) => {
      if (line.kind === "unknowns" && line.part === "validation") return [];
      const isBest = line.arm === "cross-entropy" && line.kind === "classification";
      return [isBest ? { ...line, accuracy: 1, balancedAccuracy: 1 } : line];
    }),
  };
}

describe("the arm that a study without unknowns to choose by speaks for", () => {
  it("is the most accurate on the validation photos, whatever the test says, and the first of equal ones", () => {
    const validationAccuracies = withoutUnknowns().arms.map(({ name }) => ({
      ...{ arm: name, accuracy: /supcon\+(faithful|both)/.test(name) ? 0.9 : 0.8 },
    }));
    const recommended = recommendArm({ ...withoutUnknowns(), validationAccuracies });
    expect(recommended?.arm).toBe("supcon+faithful");
    expect(recommended?.reason).toContain("balanced accuracy 90.0 on its validation photos");
  });

  it("is none where a report of an earlier version has no such figures", () => {
    const { validationAccuracies: _, ...earlier } = withoutUnknowns();
    expect(recommendArm(earlier)).toBeNull();
  });
});
