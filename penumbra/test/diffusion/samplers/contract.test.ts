// What every sampler of the table must hold: a new entry is tested the moment it is listed.
import { randn, scope, type Tensor } from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addNoise,
  alphasCumprod,
  defaultSampler,
  imageToImage,
  parseSchedulerConfig,
  readySampler,
  resolveStrength,
  SAMPLERS,
  type Sampler,
  type SamplerName,
  StableDiffusion,
  samplerNames,
  trainingTarget,
} from "../../../src/diffusion/index.ts";
import { parseSettings, studyJsonSchema } from "../../../src/study/index.ts";
import { expectClose } from "../../goldens.ts";
import { tinyModels, tokenizerFolder } from "../../sd-goldens.ts";

const PREDICTIONS = ["epsilon", "v_prediction", "sample"] as const;
const SPACINGS = ["leading", "trailing", "linspace"] as const;

test("no two samplers answer to the same scheduler", () => {
  const all = samplerNames.flatMap((name) => SAMPLERS[name].schedulers);
  expect(new Set(all).size).toBe(all.length);
});

test("a model whose scheduler is not in the table is sampled by one that suits every noise schedule", () => {
  expect(defaultSampler(parseSchedulerConfig({ _class_name: "NoSuchScheduler" }))).toEqual({ name: "ddim" });
});

test("a name or a setting that does not exist is refused with those that do", () => {
  expect(() => readySampler({ name: "dream" as SamplerName })).toThrow(/no sampler "dream".*ddim/);
  expect(() => readySampler({ name: "ddim", eta: 2 })).toThrow(/sampler "ddim".*"eta"/);
});

describe.each(samplerNames)("the sampler %s", (name) => {
  const entry: Sampler = SAMPLERS[name];
  const ready = readySampler({ name });

  test("says what it is, and is found by the scheduler that it writes", () => {
    for (const text of [entry.title, entry.description]) expect(text.trim()).not.toBe("");
    for (const scheduler of entry.schedulers)
      expect(defaultSampler(parseSchedulerConfig({ _class_name: scheduler }))).toEqual({ name });
  });

  test("has a default for every setting, and its choice holds them all", () => {
    expect(entry.settings.safeParse({}).success).toBe(true);
    expect(readySampler(ready.choice).choice).toEqual(ready.choice);
    expect(entry.settings.safeParse({ noSuchSetting: 1 }).success).toBe(false);
  });

  test("is chosen and told by a study's configuration", () => {
    const { redraw } = parseSettings({ photos: "photos", redraw: { sampler: name } }, "test");
    expect({ name: redraw.sampler, ...redraw.samplers[name] }).toEqual(ready.choice);
    const schema = JSON.stringify(studyJsonSchema());
    for (const setting of Object.keys(redraw.samplers[name])) expect(schema).toContain(`"${setting}"`);
    expect(schema).toContain(entry.title);
  });

  test("calls the denoiser at timesteps that do not rise and lie in the schedule", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SPACINGS),
        fc.integer({ min: 1, max: 500 }),
        (timestep_spacing, steps) => {
          const timesteps = ready.timesteps(parseSchedulerConfig({ timestep_spacing }), steps);
          expect(timesteps.length).toBeGreaterThanOrEqual(steps);
          expect(timesteps.every((t, i) => t >= 0 && t < 1000 && t <= (timesteps[i - 1] ?? 1000))).toBe(true);
        },
      ),
    );
    for (const steps of [0, -1, 2.5, 1001])
      expect(() => ready.timesteps(parseSchedulerConfig(), steps)).toThrow(/1 … 1000/);
  });

  test("begins where a strength says", () => {
    const config = parseSchedulerConfig();
    const { startIndex, timestep } = resolveStrength(config, 20, 0.5, { name });
    expect(ready.timesteps(config, 20)[startIndex]).toBe(timestep);
  });

  test("ends at the image where the prediction is perfect, of whatever kind it is", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PREDICTIONS),
        fc.constantFrom("leading", "trailing"),
        fc.constantFrom(1, 2, 5, 8, 10, 25, 40),
        (prediction_type, timestep_spacing, steps) =>
          scope(() => {
            const config = parseSchedulerConfig({
              prediction_type,
              timestep_spacing,
              set_alpha_to_one: true,
            });
            const normal = () => randn([1, 2, 3, 3], { dtype: "float64" });
            const image = normal();
            const timesteps = ready.timesteps(config, steps);
            let sample = addNoise(config, image, normal(), timesteps[0] as number);
            for (const timestep of timesteps) {
              const abar = alphasCumprod(config)[timestep] as number;
              const eps = sample.sub(image.mul(Math.sqrt(abar))).div(Math.sqrt(1 - abar));
              const output = trainingTarget(config, image, eps, timestep);
              const noise = ready.needsNoise ? normal() : null;
              sample = ready.step(config, { sample, output, timestep, steps, noise });
            }
            expectClose(sample, image, 1e-7);
          }),
      ),
      { numRuns: 40 },
    );
  });

  test("steps each item of a batch as it would alone", () => {
    scope(() => {
      const config = parseSchedulerConfig();
      const [sample, output, noise] = [0, 1, 2].map(() => randn([3, 2, 4, 4])) as [Tensor, Tensor, Tensor];
      const timestep = ready.timesteps(config, 10)[4] as number;
      const all = ready.step(config, { sample, output, noise, timestep, steps: 10 });
      for (const item of [0, 1, 2]) {
        const own = (t: Tensor) => t.narrow(0, item, 1);
        const alone = ready.step(config, {
          sample: own(sample),
          output: own(output),
          noise: own(noise),
          timestep,
          steps: 10,
        });
        expect(alone.toNumbers()).toEqual(own(all).toNumbers());
      }
    });
  });

  test.skipIf(tinyModels.length === 0)("redraws images, the same seed the same bits", () => {
    scope(() => {
      const sd = StableDiffusion.load(tinyModels[0] as string, { tokenizer: tokenizerFolder });
      const photos = randn([2, 3, sd.imageSize, sd.imageSize]).sigmoid();
      const draw = (seeds: number[]) =>
        imageToImage(sd, photos, {
          prompts: ["a photo of a relay", "a photo of a bolt"],
          strengths: [0.5, 1],
          steps: 4,
          sampler: { name },
          guidanceScale: 2,
          seeds,
        });
      const [once, twice, other] = [draw([1, 2]), draw([1, 2]), draw([3, 4])];
      expect(once.isfinite().all().item()).toBe(1);
      expect(twice.toNumbers()).toEqual(once.toNumbers());
      expect(other.sub(once).abs().max().item()).toBeGreaterThan(0);
    });
  });
});
