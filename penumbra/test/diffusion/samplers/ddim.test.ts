import { randn, scope, type Tensor, tensor } from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addNoise,
  alphasCumprod,
  ddimStep,
  ddimTimesteps,
  parseSchedulerConfig,
  trainingTarget,
} from "../../../src/diffusion/index.ts";
import { eachGolden, expectClose } from "../../goldens.ts";
import { need } from "../../sd-goldens.ts";

const predictions = ["epsilon", "v_prediction", "sample"] as const;
const spacings = ["leading", "trailing", "linspace"] as const;

describe("DDIM", () => {
  eachGolden("schedulers", "ddim", ({ name, json, tensors }) => {
    const golden = { name, json, tensors };
    const config = parseSchedulerConfig(json.config as Record<string, unknown>);
    const steps = json.steps as number;
    const timesteps = ddimTimesteps(config, steps);
    expect(timesteps).toEqual(need(golden, "timesteps").toNumbers());
    expectClose(tensor(alphasCumprod(config)), tensors.alphas_cumprod, json.rtol, "alphas_cumprod");
    const noised = addNoise(
      config,
      need(golden, "x0"),
      need(golden, "noise"),
      need(golden, "noised_t").toNumbers(),
    );
    expectClose(noised, tensors.noised, json.rtol, "noised");
    let sample = need(golden, "trajectory").at(0);
    timesteps.forEach((timestep, i) => {
      const output = sample.mul(0.3).add(0.1 * Math.sin(timestep / 100)); // the reference's fake model
      sample = ddimStep(config, { sample, output, timestep, steps });
      expectClose(sample, need(golden, "trajectory").at(i + 1), json.rtol, `sample after step ${i + 1}`);
    });
  });

  test("with a perfect prediction of any kind sampling ends at the image", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...predictions),
        fc.constantFrom("leading", "trailing"),
        // Of numbers that do not divide 1000, as of linspace, diffusers' last step ends short of the image.
        fc.constantFrom(1, 2, 5, 8, 10, 25, 40),
        (prediction_type, timestep_spacing, steps) =>
          scope(() => {
            const config = parseSchedulerConfig({
              prediction_type,
              timestep_spacing,
              set_alpha_to_one: true,
            });
            const [image, noise] = [
              randn([1, 2, 3, 3], { dtype: "float64" }),
              randn([1, 2, 3, 3], { dtype: "float64" }),
            ];
            const timesteps = ddimTimesteps(config, steps);
            let sample = addNoise(config, image, noise, timesteps[0] as number);
            for (const timestep of timesteps) {
              const eps = noiseIn(sample, image, alphasCumprod(config)[timestep] as number);
              const output = trainingTarget(config, image, eps, timestep);
              sample = ddimStep(config, { sample, output, timestep, steps });
            }
            expectClose(sample, image, 1e-7);
          }),
      ),
      { numRuns: 40 },
    );
  });

  test("timesteps fall and lie in the schedule, for every spacing and number of steps", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...spacings),
        fc.integer({ min: 1, max: 500 }),
        (timestep_spacing, steps) => {
          const timesteps = ddimTimesteps(parseSchedulerConfig({ timestep_spacing }), steps);
          expect(timesteps).toHaveLength(steps);
          expect(timesteps.every((t, i) => t >= 0 && t < 1000 && t < (timesteps[i - 1] ?? 1000))).toBe(true);
        },
      ),
    );
  });

  test("eta asks for noise and adds it: with eta 1 the variance of a step is DDPM's", () => {
    const config = parseSchedulerConfig();
    const zero = randn([1, 1, 2, 2]).mul(0);
    const step = { sample: zero, output: zero, timestep: 501, steps: 50, eta: 1 };
    expect(() => ddimStep(config, step)).toThrow(/eta is 1, but no noise was given/);
    const abar = alphasCumprod(config);
    const [now, next] = [abar[501] as number, abar[481] as number];
    const sigma = Math.sqrt(((1 - next) / (1 - now)) * (1 - now / next));
    expectClose(ddimStep(config, { ...step, noise: zero.add(1) }), zero.add(sigma), 1e-6);
  });

  test("clip_sample keeps the predicted image in range", () => {
    const config = parseSchedulerConfig({
      prediction_type: "sample",
      clip_sample: true,
      set_alpha_to_one: true,
    });
    const output = tensor([[[[-3, 0.5, 3]]]]);
    const last = ddimStep(config, { sample: output, output, timestep: 1, steps: 1 });
    expectClose(last, tensor([[[[-1, 0.5, 1]]]]), 1e-6);
  });

  test("impossible numbers of steps and unsupported schedules are refused", () => {
    const config = parseSchedulerConfig();
    for (const steps of [0, -1, 2.5, 1001])
      expect(() => ddimTimesteps(config, steps)).toThrow(/1 … 1000 steps/);
    expect(() => ddimTimesteps(config, 1000)).toThrow(/begin after the last timestep, 999/);
    expect(() => parseSchedulerConfig({ beta_schedule: "sigmoid" }, "scheduler_config.json")).toThrow(
      /scheduler_config\.json: field "beta_schedule"/,
    );
    expect(() => parseSchedulerConfig({ thresholding: true })).toThrow(/field "thresholding": only false/);
    expect(() => addNoise(config, randn([1, 1]), randn([1, 1]), 1000)).toThrow(
      /Timestep 1000 is not in the schedule/,
    );
  });
});

function noiseIn(sample: Tensor, image: Tensor, abar: number): Tensor {
  return sample.sub(image.mul(Math.sqrt(abar))).div(Math.sqrt(1 - abar));
}
