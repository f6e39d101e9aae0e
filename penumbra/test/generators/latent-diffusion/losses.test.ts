import { rand, scope, type Tensor, zeros } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  edgeWeights,
  klDivergence,
  reconstructionLoss,
} from "../../../src/generators/latent-diffusion/losses.ts";

describe("reconstructionLoss", () => {
  const ones = (edge: number) => zeros([2, 1, edge, edge], { dtype: "float64" }).add(1);

  test("is the mean absolute error without its pyramid, and zero for a perfect reconstruction", () => {
    const difference = rand([2, 3, 16, 16], { dtype: "float64" }).sub(0.5);
    const plain = reconstructionLoss(difference, ones(16), 0).item();
    expect(plain).toBeCloseTo(difference.abs().mean().item(), 12);
    expect(reconstructionLoss(difference.mul(0), ones(16), 1).item()).toBe(0);
  });

  test("counts an even offset once: it lies in no band", () => {
    const offset = zeros([2, 3, 16, 16], { dtype: "float64" }).add(0.25);
    expect(reconstructionLoss(offset, ones(16), 7).item()).toBeCloseTo(0.25, 12);
  });

  test("has the gradient that finite differences give", () => {
    const difference = rand([1, 3, 8, 8], { dtype: "float64" }).sub(0.5).requiresGrad_();
    const weights = rand([1, 1, 8, 8], { dtype: "float64" }).add(1);
    reconstructionLoss(difference, weights, 0.7).backward();
    const gradient = difference.grad as Tensor;
    for (const at of [0, 17, 100, 191]) {
      const step = (by: number) =>
        scope(() => {
          const moved = difference.detach().clone();
          moved.view([-1]).select(0, at).add_(by);
          return reconstructionLoss(moved, weights, 0.7).item();
        });
      expect(gradient.view([-1]).select(0, at).item()).toBeCloseTo((step(1e-6) - step(-1e-6)) / 2e-6, 6);
    }
  });
});

describe("edgeWeights", () => {
  test("are 1 on an even area and 1 + weight at a hard edge", () => {
    const even = zeros([1, 3, 8, 8]).add(0.3);
    expect(edgeWeights(even, 3).sub(1).abs().max().item()).toBeLessThan(1e-6);
    const halves = zeros([1, 3, 8, 8]).sub(1);
    halves.narrow(3, 4, 4).fill_(1);
    const weights = edgeWeights(halves, 3);
    expect(weights.select(3, 4).min().item()).toBeCloseTo(4, 5);
    expect(weights.select(3, 0).max().item()).toBeCloseTo(1, 5);
  });
});

test("klDivergence is zero for the standard normal and grows with distance", () => {
  const zero = zeros([2, 4]);
  expect(klDivergence(zero, zero).item()).toBe(0);
  expect(klDivergence(zero.add(1), zero).item()).toBeCloseTo(0.5, 6);
  expect(klDivergence(zero, zero.sub(2)).item()).toBeCloseTo((Math.exp(-2) - 1 + 2) / 2, 6);
});
