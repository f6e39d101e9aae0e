import fc from "fast-check";
import { expect, test } from "vitest";
import { compareNatural } from "../../src/data/index.ts";

test("numbers sort by value and text by character", () => {
  const names = ["view 10", "view 9", "view", "a2b", "a10", "a2", "10", "9"];
  expect(["a-b/1", "a/2", "a/10", "a1/1"].sort(compareNatural)).toEqual(["a/2", "a/10", "a1/1", "a-b/1"]);
  expect(names.sort(compareNatural)).toEqual(["9", "10", "a2", "a2b", "a10", "view", "view 9", "view 10"]);
});

test("the order is total: antisymmetric, transitive, equal only for the same name", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "b", "0", "1", "2", "-", "/", "é"), maxLength: 6 });
  fc.assert(
    fc.property(name, name, name, (a, b, c) => {
      expect(Math.sign(compareNatural(a, b))).toBe(0 - Math.sign(compareNatural(b, a)));
      expect(compareNatural(a, b) === 0).toBe(a === b);
      if (compareNatural(a, b) <= 0 && compareNatural(b, c) <= 0)
        expect(compareNatural(a, c)).toBeLessThanOrEqual(0);
    }),
    { numRuns: 2000 },
  );
});
