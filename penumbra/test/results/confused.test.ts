import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addedUp, confusedClasses, partOf, worstPairs } from "../../src/results/index.ts";

const matrices = fc
  .integer({ min: 1, max: 8 })
  .chain((size) =>
    fc.array(fc.array(fc.nat(9), { minLength: size, maxLength: size }), { minLength: size, maxLength: size }),
  );

describe("worst pairs", () => {
  it("are all off the diagonal, each once, the most frequent first, with what is not shown no worse", () => {
    fc.assert(
      fc.property(matrices, fc.integer({ min: 1, max: 20 }), (counts, most) => {
        const pairs = worstPairs({ counts }, most);
        const off = counts.flatMap((row, truth) =>
          row.filter((count, answer) => count > 0 && truth !== answer),
        );
        expect(pairs.map(({ count }) => count)).toEqual(off.sort((a, b) => b - a).slice(0, most));
        for (const { truth, answer, count, of } of pairs) {
          expect(counts[truth]![answer]).toBe(count);
          expect(counts[truth]!.reduce((a, b) => a + b, 0)).toBe(of);
        }
      }),
    );
  });
});

describe("confused classes", () => {
  it("are those of the worst pairs, each once, no more than wanted", () => {
    fc.assert(
      fc.property(matrices, fc.integer({ min: 2, max: 6 }), (counts, most) => {
        const chosen = confusedClasses({ counts }, most);
        expect(new Set(chosen).size).toBe(chosen.length);
        expect(chosen.length).toBeLessThanOrEqual(most);
        const [worst] = worstPairs({ counts }, 1);
        if (worst) expect(chosen).toEqual(expect.arrayContaining([worst.truth, worst.answer]));
        else expect(chosen).toEqual([]);
      }),
    );
  });

  it("stand together where they are taken for each other", () => {
    const counts = Array.from({ length: 6 }, () => new Array<number>(6).fill(0));
    for (const [a, b, count] of [
      [0, 4, 9],
      [4, 0, 9],
      [1, 5, 8],
      [5, 1, 8],
      [2, 3, 7],
      [3, 2, 7],
      [0, 1, 1],
    ] as const)
      counts[a]![b] = count;
    expect(confusedClasses({ counts }, 6)).toEqual([0, 4, 1, 5, 2, 3]);
    expect(confusedClasses({ counts }, 4)).toEqual([0, 4, 1, 5]);
  });

  it("keep their names and counts in the part that is shown, and several arms count together", () => {
    const confusion = {
      arm: "x",
      classes: ["a", "b", "c"],
      counts: [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ],
    };
    expect(partOf(confusion, [2, 0])).toEqual({
      arm: "x",
      classes: ["c", "a"],
      counts: [
        [9, 7],
        [3, 1],
      ],
    });
    expect(addedUp([confusion, confusion]).counts).toEqual([
      [2, 4, 6],
      [8, 10, 12],
      [14, 16, 18],
    ]);
  });
});
