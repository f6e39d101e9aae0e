import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { LossScale } from "../../../src/contrast/training/loss-scale.ts";

/** A parameter with this gradient. */
function withGradient(values: number[]): torch.Tensor {
  const parameter = torch.zeros([values.length]).requiresGrad_();
  parameter.grad = torch.tensor(values);
  return parameter;
}

describe("loss scaling", () => {
  test("divides the gradients by the scale", () => {
    const parameter = withGradient([8, -4]);
    expect(new LossScale({ scale: 4 }).unscale([parameter])).toBe(true);
    expect(parameter.grad?.toNumbers()).toEqual([2, -1]);
  });

  test("asks to leave the step out and halves the scale when a gradient overflowed", () => {
    const scale = new LossScale({ scale: 4, streak: 7 });
    expect(scale.unscale([withGradient([1]), withGradient([Number.POSITIVE_INFINITY])])).toBe(false);
    expect([scale.scale, scale.streak]).toEqual([2, 0]);
  });

  test("doubles the scale after 2000 good steps", () => {
    const scale = new LossScale({ scale: 4, streak: 1999 });
    scale.unscale([withGradient([1])]);
    expect(scale.scale).toBe(8);
  });
});
