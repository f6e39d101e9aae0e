// Every scheduler's trajectory in diffusers, with a fake model, from pure noise and from a strength.
import { cat, type Tensor, tensor } from "@penumbra/torch";
import { describe, expect } from "vitest";
import {
  addNoise,
  alphasCumprod,
  defaultSampler,
  parseSchedulerConfig,
  type ReadySampler,
  readySampler,
  resolveStrength,
  type SamplerChoice,
  type Walk,
} from "../../../src/diffusion/index.ts";
import { eachGolden, expectClose, type Golden } from "../../goldens.ts";
import { need } from "../../sd-goldens.ts";

/** Schedulers whose samples diffusers keeps as x0 + sigma noise; ours have unit variance. */
const IN_SIGMA = ["EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"];

function schedulerOf({ json }: Golden): string {
  return (json.scheduler as string) ?? /\w+Scheduler/.exec(json.reference)?.[0];
}

function samplerOf(golden: Golden, config: ReturnType<typeof parseSchedulerConfig>): ReadySampler {
  const step = (golden.json.step ?? {}) as object;
  return readySampler({ ...defaultSampler(config), ...step } as SamplerChoice);
}

/** diffusers' samples over ours at a place of a walk; the image itself is the same in both. */
function scaleAt(scheduler: string, sampler: ReadySampler, walk: Walk, index: number): number {
  const timestep = walk.timesteps[index];
  if (!IN_SIGMA.includes(scheduler) || timestep === undefined) return 1;
  return 1 / Math.sqrt(sampler.alphaAt(walk.config, timestep));
}

describe("schedulers of diffusers", () => {
  eachGolden("schedulers", "", (golden) => {
    const { json } = golden;
    const scheduler = schedulerOf(golden);
    const config = parseSchedulerConfig({ _class_name: scheduler, ...(json.config as object) });
    const sampler = samplerOf(golden, config);
    const strength = (json.strength as number | undefined) ?? 1;
    const walk = sampler.walk(config, json.steps as number, strength);
    const used = walk.timesteps.slice(walk.start);
    expectClose(tensor(used), need(golden, "timesteps"), 1e-6, "timesteps");

    const trajectory = need(golden, "trajectory");
    const scale = (index: number) => scaleAt(scheduler, sampler, walk, index);
    const noiseAt = golden.tensors.noise_at?.toNumbers() ?? [];
    let sample = trajectory.at(0).div(scale(walk.start));
    let history: readonly Tensor[] = [];
    used.forEach((timestep, i) => {
      const index = walk.start + i;
      const fake = sample.mul(0.3).add(0.1 * Math.sin(timestep / 100)); // the reference's fake model
      const isLearned = (json.config as { variance_type?: string }).variance_type === "learned_range";
      const output = isLearned ? cat([fake, sample.mul(3).sin()], { dim: 1 }) : fake;
      const row = noiseAt.indexOf(i);
      const noise = row < 0 ? null : need(golden, "noise").at(row);
      ({ sample, history } = sampler.step(walk, { sample, output, index, history, noise }));
      // diffusers' unCLIP divides the first beta by 1 - abar_0, which is 4e-5 and so rounded to a thousandth in float32.
      const isRounded = scheduler === "UnCLIPScheduler" && timestep === 0;
      const rtol = isRounded ? Math.max(json.rtol, 2e-3) : json.rtol;
      expectClose(sample.mul(scale(index + 1)), trajectory.at(i + 1), rtol, `sample after step ${i + 1}`);
    });

    if (golden.tensors.noised) {
      expectClose(tensor(alphasCumprod(config)), golden.tensors.alphas_cumprod, json.rtol, "alphas_cumprod");
    }
    if (golden.tensors.noised) {
      const [x0, noise] = [need(golden, "x0"), golden.tensors.noise0 ?? need(golden, "noise")];
      const at = need(golden, "noised_t").toNumbers();
      const abar = tensor(at.map((t) => sampler.alphaAt(config, t))).reshape([-1, 1, 1, 1]);
      const noised = IN_SIGMA.includes(scheduler)
        ? x0.add(noise.mul(abar.reciprocal().sub(1).sqrt()))
        : addNoise(config, x0, noise, at);
      expectClose(noised, golden.tensors.noised, json.rtol, "noised");
    }
    if (json.kind === "img2img") {
      const { signal, noise, startIndex, timestep } = resolveStrength(config, json.steps as number, strength);
      expect([startIndex, timestep]).toEqual([walk.start, used[0]]);
      const start = need(golden, "x0").mul(signal).add(need(golden, "noise0").mul(noise));
      expectClose(start.mul(scale(walk.start)), trajectory.at(0), json.rtol, "start");
    }
  });
});
