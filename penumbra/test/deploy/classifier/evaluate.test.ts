import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { figuresOf, type LabelledVerdict, shareOf } from "../../../src/deploy/index.ts";

const CLASSES = ["a", "b", "c"];

/** A verdict for a truth: probabilities in the order of CLASSES, and a score that is unknown below 0. */
function line(
  role: LabelledVerdict["role"],
  className: string,
  probabilities: number[],
  score: number,
): LabelledVerdict {
  const classes = probabilities
    .map((probability, label) => ({ className: CLASSES[label]!, probability }))
    .sort((one, other) => other.probability - one.probability);
  const { className: answer, probability: confidence } = classes[0]!;
  const pValue = score < 0 ? 0.01 : 0.5;
  return {
    ...{ role, className },
    verdict: {
      ...{ views: 1, isUnknown: score < 0, className: answer, confidence, pValue },
      ...{ unknownScore: 1 - pValue, score, classes },
    },
  };
}

const LINES = [
  line("known", "a", [0.8, 0.1, 0.1], 3),
  line("known", "a", [0.3, 0.6, 0.1], 2), // wrong
  line("known", "b", [0.1, 0.8, 0.1], -1), // right, but a false alarm
  line("known", "c", [0.2, 0.2, 0.6], 1),
  line("near", "d", [0.5, 0.3, 0.2], 2), // missed; ties with the second known
  line("near", "d", [0.5, 0.3, 0.2], -2),
  line("far", "e", [0.4, 0.3, 0.3], -5),
];

describe("the figures of an evaluation", () => {
  it("are those counted by hand", () => {
    const { known, unknowns, confusion } = figuresOf(LINES, CLASSES);
    expect(known.accuracy).toBe(0.75);
    expect(known.balancedAccuracy).toBeCloseTo((0.5 + 1 + 1) / 3, 12);
    expect(known.top5).toBeNull();
    expect(known.nll).toBeCloseTo(-Math.log(0.8 * 0.3 * 0.8 * 0.6) / 4, 10);
    expect(known.flagged).toMatchObject({ count: 1, of: 4 });
    expect(known.rightOfAccepted).toMatchObject({ count: 2, of: 3 });
    expect(confusion).toEqual([
      [1, 1, 0, 0],
      [0, 0, 0, 1],
      [0, 0, 1, 0],
    ]);
    expect(unknowns.map(({ role, className }) => [role, className])).toEqual([
      ["near", null],
      ["near", "d"],
      ["far", null],
      ["far", "e"],
    ]);
    // Pairs of known (3, 2, -1, 1) and near (2, -2): 3 > 2, 2 = 2, and all four > -2.
    expect(unknowns[0]!.auroc).toBeCloseTo((1 + 0.5 + 4) / 8, 12);
    expect(unknowns[0]!.flagged).toMatchObject({ count: 1, of: 2 });
    expect(unknowns[2]!.auroc).toBe(1);
  });

  it("do not depend on the order of the objects", () => {
    const whole = figuresOf(LINES, CLASSES);
    fc.assert(
      fc.property(fc.shuffledSubarray(LINES, { minLength: LINES.length }), (shuffled) => {
        const { known, confusion } = figuresOf(shuffled, CLASSES);
        expect(confusion).toEqual(whole.confusion);
        expect(known.nll).toBeCloseTo(whole.known.nll, 12);
        expect(known.flagged).toEqual(whole.known.flagged);
      }),
    );
  });

  it("are refused without a known object", () => {
    expect(() => figuresOf(LINES.slice(4), CLASSES)).toThrow(/No photo of a known class/);
  });

  it("have the interval of Wilson 1927 at 0 of 10, 3 of 10 and 10 of 10", () => {
    // by the formula in Python
    expect(shareOf(0, 10).low).toBeCloseTo(0, 12);
    expect(shareOf(0, 10).high).toBeCloseTo(0.2775327998628892, 10);
    expect(shareOf(3, 10).low).toBeCloseTo(0.10779126740630104, 10);
    expect(shareOf(3, 10).high).toBeCloseTo(0.6032218525388546, 10);
    expect(shareOf(10, 10).low).toBeCloseTo(0.7224672001371107, 10);
  });
});
