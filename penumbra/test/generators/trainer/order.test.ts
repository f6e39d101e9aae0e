import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EpochOrder } from "../../../src/generators/trainer/order.ts";

describe("EpochOrder", () => {
  test("takes every item once per epoch and does not depend on how the sequence is cut", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(100), (count, seed, start) => {
        const epoch = new EpochOrder(count, seed).take(2 * count, count);
        expect([...epoch].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, item) => item));
        const whole = new EpochOrder(count, seed).take(0, start + 7);
        expect(new EpochOrder(count, seed).take(start, 7)).toEqual(whole.slice(start));
      }),
    );
  });
});
