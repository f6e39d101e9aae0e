import {
  arange,
  fromTyped,
  Generator,
  rand,
  randn,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { alphasCumprod, parseSchedulerConfig } from "../../../src/diffusion/index.ts";
import { normalKl, simpleLoss, VariationalBound } from "../../../src/generators/ddpm/index.ts";
import { Noising } from "../../../src/generators/trainer/noising.ts";

const schedules = {
  linear: { beta_schedule: "linear", beta_start: 1e-4, beta_end: 0.02 },
  cosine: { beta_schedule: "squaredcos_cap_v2" },
} as const;
const types = ["epsilon", "v_prediction", "sample"] as const;

describe.each(Object.entries(schedules))("the %s schedule", (_, schedule) => {
  test("noises to the moments of the closed form", () => {
    const config = parseSchedulerConfig({ ...schedule, num_train_timesteps: 8, prediction_type: "epsilon" });
    const abar = alphasCumprod(config);
    const clean = zeros([200_000]).add(2);
    const { noisy, timesteps } = new Noising(config, "cpu").corrupt(clean, new Generator({ seed: 1 }));
    for (let t = 0; t < 8; t++) {
      const values = noisy.index([timesteps.eq(t)]);
      const count = values.numel;
      expect(count).toBeGreaterThan(20_000);
      const deviation = Math.sqrt(1 - abar[t]!);
      // Within five standard errors.
      expect(Math.abs(values.mean().item() - 2 * Math.sqrt(abar[t]!))).toBeLessThan(
        (5 * deviation) / Math.sqrt(count) + 1e-6,
      );
      expect(Math.abs(values.std().item() / deviation - 1)).toBeLessThan(5 / Math.sqrt(2 * count));
    }
  });

  test.each(types)("what is to be predicted as %s gives the image back", (prediction_type) => {
    const config = parseSchedulerConfig({ ...schedule, prediction_type });
    const clean = rand([64, 3], { generator: new Generator({ seed: 2 }), dtype: "float32" });
    const { noisy, target, timesteps } = new Noising(config, "cpu").corrupt(
      clean,
      new Generator({ seed: 3 }),
    );
    const abar = fromTyped(Float32Array.from(alphasCumprod(config)), [1000])
      .indexSelect(0, timesteps)
      .unsqueeze(1);
    const [signal, sigma] = [abar.sqrt(), abar.neg().add(1).sqrt()];
    const image = {
      epsilon: () => noisy.sub(target.mul(sigma)).div(signal),
      v_prediction: () => noisy.mul(signal).sub(target.mul(sigma)),
      sample: () => target,
    }[prediction_type]();
    // Dividing by a small signal magnifies rounding.
    expect(image.sub(clean).mul(signal).abs().max().item()).toBeLessThan(1e-5);
    expect(simpleLoss(target, target).item()).toBe(0);
  });

  test("the variational bound is least where mean and variance are the posterior's own", () => {
    const config = parseSchedulerConfig({
      ...schedule,
      num_train_timesteps: 100,
      prediction_type: "epsilon",
    });
    const bound = new VariationalBound(config, "cpu");
    const timesteps = arange(1, 100, { dtype: "int64" });
    const generator = new Generator({ seed: 4 });
    const clean = rand([99, 3, 4, 4], { generator }).mul(1.8).sub(0.9);
    const noise = randn(clean.shape, { generator });
    const abar = fromTyped(Float32Array.from(alphasCumprod(config)), [100])
      .indexSelect(0, timesteps)
      .view([-1, 1, 1, 1]);
    const noisy = clean.mul(abar.sqrt()).add(noise.mul(abar.neg().add(1).sqrt()));
    const terms = (predicted: Tensor, range: number) =>
      bound.terms({ clean, noisy, predicted, ranges: zeros(clean.shape).add(range), timesteps });
    const best = terms(noise, -1); // the smallest variance is the posterior's
    expect(best.abs().max().item()).toBeLessThan(1e-3);
    // At the last timesteps the bounds of the variance are almost one.
    for (const other of [terms(noise, 1), terms(noise.add(0.5), -1)])
      expect(other.sub(best).narrow(0, 0, 60).min().item()).toBeGreaterThan(0);
    // Half a step up is half the logarithms' difference.
    expect(terms(noise, 0).sub(best).narrow(0, 0, 60).min().item()).toBeGreaterThan(0);
  });
});

test("the first term of the bound is the likelihood of bytes: all bins together have probability 1", () => {
  const config = parseSchedulerConfig({
    ...schedules.linear,
    num_train_timesteps: 10,
    prediction_type: "sample",
  });
  const bound = new VariationalBound(config, "cpu");
  const bytes = scope(() => arange(256, { dtype: "float32" }).div(127.5).sub(1).view([256, 1]));
  const bits = bound.terms({
    clean: bytes,
    noisy: zeros([256, 1]),
    predicted: zeros([256, 1]).add(0.1),
    ranges: zeros([256, 1]).add(1),
    timesteps: zeros([256], { dtype: "int64" }),
  });
  expect(bits.mul(-Math.LN2).exp().sum().item()).toBeCloseTo(1, 3);
});

test("the KL divergence of two normal distributions is 0 for one and the same, and has the closed form", () => {
  const at = (...values: number[]) => tensor(values, { dtype: "float64" });
  expect(normalKl(at(0.3), at(-1), at(0.3), at(-1)).item()).toBe(0);
  // KL(N(1, 4) || N(0, 1)) = (4 + 1 - 1 - ln 4) / 2
  expect(normalKl(at(1), at(Math.log(4)), at(0), at(0)).item()).toBeCloseTo((4 - Math.log(4)) / 2, 12);
});
