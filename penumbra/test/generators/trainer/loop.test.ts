import { expect, test } from "vitest";
import { learningRateAt } from "../../../src/generators/trainer/loop.ts";

test("the learning rate rises over the warm-up and falls to 2 % at the end", () => {
  const options = { learningRate: 1e-3, warmup: 10 };
  expect(learningRateAt(options, 0, 0)).toBeCloseTo(1e-4, 9);
  expect(learningRateAt(options, 9, 0)).toBeCloseTo(1e-3, 9);
  expect(learningRateAt(options, 500, 1)).toBeCloseTo(2e-5, 9);
  expect(learningRateAt(options, 50, 0.5)).toBeCloseTo(5.1e-4, 6);
});
