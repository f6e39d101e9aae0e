import { deriveSeed } from "@penumbra/torch/random";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShuffledRounds } from "../../src/data/index.ts";

const rounds = (count: number, seed: number) =>
  new ShuffledRounds(count, (round) => deriveSeed(seed, "round", round));

describe("ShuffledRounds", () => {
  test("takes every item once a round and does not depend on how the sequence is cut", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(100), (count, seed, start) => {
        const round = rounds(count, seed).take(2 * count, count);
        expect([...round].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, item) => item));
        const whole = rounds(count, seed).take(0, start + 7);
        expect(rounds(count, seed).take(start, 7)).toEqual(whole.slice(start));
        expect(rounds(count, seed).at(start)).toBe(whole[start]);
      }),
    );
  });

  test("gives each round an order of its own, by its seed", () => {
    const order = (seed: number, round: number) => rounds(100, seed).take(100 * round, 100);
    expect(order(1, 0)).toEqual(order(1, 0));
    expect(order(1, 0)).not.toEqual(order(1, 1));
    expect(order(1, 0)).not.toEqual(order(2, 0));
  });
});
