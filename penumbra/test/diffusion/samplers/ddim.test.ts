import { randn, type Tensor, tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  addNoise,
  alphasCumprod,
  parseSchedulerConfig,
  readySampler,
  type SchedulerConfig,
} from "../../../src/diffusion/index.ts";
import { expectClose } from "../../goldens.ts";

/** One step of DDIM from a timestep of the walk. */
function step(
  config: SchedulerConfig,
  steps: number,
  timestep: number,
  given: { eta?: number; noise?: Tensor },
) {
  const { eta = 0, noise } = given;
  const sampler = readySampler({ name: "ddim", eta });
  const walk = sampler.walk(config, steps);
  const index = walk.timesteps.indexOf(timestep);
  return (sample: Tensor, output: Tensor) =>
    sampler.step(walk, { sample, output, index, history: [], noise }).sample;
}

describe("DDIM", () => {
  test("eta asks for noise and adds it: with eta 1 the variance of a step is DDPM's", () => {
    const config = parseSchedulerConfig();
    const zero = randn([1, 1, 2, 2]).mul(0);
    expect(() => step(config, 50, 501, { eta: 1 })(zero, zero)).toThrow(/eta is 1, but no noise was given/);
    const abar = alphasCumprod(config);
    const [now, next] = [abar[501] as number, abar[481] as number];
    const sigma = Math.sqrt(((1 - next) / (1 - now)) * (1 - now / next));
    const stepped = step(config, 50, 501, { eta: 1, noise: zero.add(1) })(zero, zero);
    expectClose(stepped, zero.add(sigma), 1e-6);
  });

  test("clip_sample keeps the predicted image in range", () => {
    const config = parseSchedulerConfig({
      prediction_type: "sample",
      clip_sample: true,
      set_alpha_to_one: true,
    });
    const output = tensor([[[[-3, 0.5, 3]]]]);
    expectClose(step(config, 1, 1, {})(output, output), tensor([[[[-1, 0.5, 1]]]]), 1e-6);
  });

  test("where no signal is left a prediction of noise is refused, and one of velocity is not", () => {
    const noise = randn([1, 1, 2, 2]);
    const zero = { rescale_betas_zero_snr: true, timestep_spacing: "trailing" };
    const config = (prediction_type: string) => parseSchedulerConfig({ ...zero, prediction_type });
    expect(alphasCumprod(config("epsilon")).at(-1)).toBe(0);
    expect(() => step(config("epsilon"), 10, 999, {})(noise, noise)).toThrow(/without any signal/);
    expect(step(config("v_prediction"), 10, 999, {})(noise, noise).isfinite().all().item()).toBe(1);
  });

  test("betas may be listed one by one", () => {
    const config = parseSchedulerConfig({ num_train_timesteps: 2, trained_betas: [0.5, 0.5] });
    expect([...alphasCumprod(config)]).toEqual([0.5, 0.25]);
  });

  test("impossible numbers of steps and unsupported schedules are refused", () => {
    const config = parseSchedulerConfig();
    expect(() => readySampler({ name: "ddim" }).walk(config, 1000)).toThrow(
      /begin after the last timestep, 999/,
    );
    expect(() => parseSchedulerConfig({ beta_schedule: "sigmoid" }, "scheduler_config.json")).toThrow(
      /scheduler_config\.json: field "beta_schedule"/,
    );
    expect(() => parseSchedulerConfig({ thresholding: true })).toThrow(/field "thresholding": only false/);
    expect(() => parseSchedulerConfig({ trained_betas: [0.1, 0.2] })).toThrow(
      /"trained_betas" has 2 numbers, "num_train_timesteps" is 1000/,
    );
    expect(() => addNoise(config, randn([1, 1]), randn([1, 1]), 1000)).toThrow(
      /Timestep 1000 is not in the schedule/,
    );
  });
});
