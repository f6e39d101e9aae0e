import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cat, manualSeed, nn, noGrad, scope, type Tensor, tensor, zeros } from "@penumbra/torch";
import { afterAll, expect, test } from "vitest";
import { parseSchedulerConfig, readySampler, walkDown } from "../../../src/diffusion/index.ts";
import { DdpmSettings, DdpmTrainee, type Denoiser } from "../../../src/generators/ddpm/index.ts";
import { generatorNamed } from "../../../src/generators/index.ts";
import { asFloat } from "../../../src/generators/trainer/photo-batches.ts";
import { goldenFolder } from "../../goldens.ts";
import { classesShown, discsAndFrames, eightGaussians, mlp, modesOf, normal, toyCorpus } from "../toys.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-ddpm-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Points with their level of noise and their class, -1, 0 (none) or 1. */
class PointDenoiser extends nn.Module<[Tensor, Tensor, Tensor]> implements Denoiser {
  readonly layers = mlp(9, 128, 128, 2);

  forward(noisy: Tensor, timesteps: Tensor, labels: Tensor): Tensor {
    const share = timesteps.to("float32").div(100).unsqueeze(1);
    const waves = [0.5, 1, 2].flatMap((k) => {
      const angle = share.mul(k * Math.PI);
      return [angle.sin(), angle.cos()];
    });
    const told = tensor([-1, 1, 0], { dtype: "float32" }).indexSelect(0, labels).unsqueeze(1);
    return this.layers.forward(cat([noisy, ...waves, told], { dim: 1 }));
  }
}

test.each(["epsilon", "v_prediction"] as const)(
  "learns eight Gaussians of two classes by %s: DDPM and DDIM draw them all, each under its class",
  (prediction_type) => {
    const scheduler = parseSchedulerConfig({
      ...{ num_train_timesteps: 100, beta_schedule: "squaredcos_cap_v2", prediction_type },
      ...{ timestep_spacing: "trailing", steps_offset: 0, set_alpha_to_one: true },
      ...{ clip_sample: true, clip_sample_range: 1.5 },
    });
    manualSeed(1);
    const average = new PointDenoiser();
    const trainee = new DdpmTrainee({
      ...{ denoiser: new PointDenoiser(), average, early: new PointDenoiser() },
      ...{ batches: eightGaussians(0, 256), compute: (fn) => fn(), scheduler, seed: 0, learningRate: 1e-2 },
      ...{ learnsVariance: false, dropout: { label: 2, share: 0.1 }, emaDecay: 0.98, earlyShare: 0.1 },
    });
    const steps = 900;
    for (let step = 0; step < steps; step++) {
      scope(() => {
        trainee.step(step, 1e-2 * (1 - step / steps), step / steps);
      });
    }
    const { labels } = eightGaussians(6, 800).at(0);
    for (const name of ["ddpm", "ddim"] as const) {
      const sampler = readySampler({ name });
      const walks = Array.from({ length: 800 }, () => sampler.walk(scheduler, 50));
      const points = noGrad(() =>
        walkDown(
          {
            latents: normal([800, 2], 9),
            walks,
            sampler,
            stepNoise: (_, step) => normal([800, 2], 100 + step),
          },
          () => (x, t) => average.forward(x, zeros([800], { dtype: "int64" }).add(t as number), labels),
        ),
      );
      const { modes, precision } = modesOf(points, labels);
      expect(modes, name).toBe(8);
      expect(precision, name).toBeGreaterThan(0.5); // 0.13 for a normal distribution of their covariance
    }
  },
);

const STEPS = 14;
const options = (out: string, changes: object = {}) => ({
  corpus: toyCorpus,
  out: join(scratch, out),
  tokenizer: scratch,
  settings: DdpmSettings.parse({
    ...{ imageSize: 16, precision: "fp32", steps: STEPS, batchSize: 8, learningRate: 3e-3, warmup: 2 },
    ...{ channels: [8, 16], emaDecay: 0.9, sampleSteps: 4, timesteps: 100 },
    ...{ checkpointMinutes: 0, logSeconds: 0, sheetMinutes: 60 },
    ...changes,
  }),
});

const photos = asFloat(discsAndFrames(16).images);
const item = { photo: 0, otherPhoto: 1, label: 0, otherLabel: 1, dial: 0.5, seed: 3 };

test.each([
  ["epsilon", "fixed", "ddim", STEPS],
  ["v_prediction", "learned", "ddpm", 4],
] as const)(
  "trains on pictures of two classes and draws by every way: %s, variance %s, %s",
  async (predictionType, variance, sampler, steps) => {
    const given = options(predictionType, { predictionType, variance, sampler, steps });
    const lines: string[] = [];
    expect(await generatorNamed("ddpm").train({ ...given, onLine: (line) => lines.push(line) })).toBe(
      given.out,
    );
    expect(lines.some((line) => line.includes("bits"))).toBe(variance === "learned");
    expect(readFileSync(join(given.out, "README.md"), "utf8")).toContain(`| ddpm | ${steps} | 8 |`);
    const { artist } = generatorNamed("ddpm");
    const model = artist!.load(given.out);
    const images = Object.keys(artist!.ways).map((way) => {
      const alone = model.draw(way, [item], photos);
      const among = model.draw(way, [{ ...item, seed: 4, dial: 0.8 }, item, { ...item, photo: 1 }], photos);
      expect(alone.shape, way).toEqual([1, 3, 16, 16]);
      expect(among.select(0, 1).sub(alone.select(0, 0)).abs().max().item(), way).toBeLessThan(1e-4);
      return alone;
    });
    const [faithful, drift, crossed, early] = images as [Tensor, Tensor, Tensor, Tensor];
    expect(drift.sub(faithful).abs().max().item()).toBe(0); // they differ by the dial alone
    for (const other of [crossed, early])
      expect(other.sub(faithful).abs().max().item()).toBeGreaterThan(1e-4);
  },
);

test("pictures of two classes: most of what it draws from the other class's photos shows the class asked for", async () => {
  const out = join(scratch, "classes");
  const settings = DdpmSettings.parse({
    ...{ imageSize: 16, precision: "fp32", steps: 300, batchSize: 16, learningRate: 2e-3, warmup: 20 },
    ...{ channels: [16, 32], timesteps: 100, sampleSteps: 10, emaDecay: 0.95, seed: 1 },
    ...{ checkpointMinutes: 99, logSeconds: 999, sheetMinutes: 99 },
  });
  await generatorNamed("ddpm").train({ corpus: toyCorpus, out, tokenizer: scratch, settings });
  const items = Array.from({ length: 48 }, (_, i) => ({
    ...{ photo: i % 24, otherPhoto: (i + 1) % 24, label: i % 2, otherLabel: (i + 1) % 2, dial: 1, seed: i },
  }));
  const drawn = generatorNamed("ddpm").artist!.load(out).draw("crossed", items, photos);
  const right = classesShown(drawn).filter((label, i) => label === (i + 1) % 2);
  expect(right.length / items.length).toBeGreaterThan(0.65); // 0.5 by chance
});

test("strength 0 returns the photo, more goes further away", () => {
  const model = generatorNamed("ddpm").artist!.load(join(scratch, "epsilon"));
  const gap = (dial: number) =>
    model
      .draw("faithful", [{ ...item, dial }], photos)
      .sub(photos.narrow(0, 0, 1))
      .abs()
      .mean()
      .item();
  expect(gap(0)).toBe(0);
  expect(gap(0.25)).toBeGreaterThan(0);
  expect(gap(1)).toBeGreaterThan(gap(0.25));
});

test("a published model of diffusers loads, draws, and can be learned on", async () => {
  const published = join(goldenFolder, "generators", "tiny-ddpm");
  const model = generatorNamed("ddpm").artist!.load(published);
  expect([model.imageSize, model.classes]).toEqual([8, ["all"]]);
  const small = photos.adaptiveAvgPool2d([8, 8]);
  expect(model.draw("faithful", [item], small).shape).toEqual([1, 3, 8, 8]);
  const given = options("adapted", { steps: 2, variance: "fixed" });
  await generatorNamed("ddpm").train({ ...given, from: published });
  expect(readFileSync(join(given.out, "README.md"), "utf8")).toContain(
    'the published weights in "tiny-ddpm"',
  );
  const config = JSON.parse(readFileSync(join(given.out, "unet", "config.json"), "utf8"));
  expect([config.norm_num_groups, config.num_class_embeds]).toEqual([4, 3]);
});

test("crashed and started again, it ends with the same bits", async () => {
  const given = options("crashed");
  for (const crash of ["ddpm: step 2 ", "ddpm: step 9 "]) {
    const onLine = (line: string) => {
      if (line.startsWith(crash)) throw new Error("the power went out");
    };
    await expect(generatorNamed("ddpm").train({ ...given, onLine })).rejects.toThrow("the power went out");
    expect(existsSync(given.out)).toBe(false);
  }
  await generatorNamed("ddpm").train(given);
  for (const part of ["unet", "unet_early"]) {
    const [one, other] = ["epsilon", "crashed"].map((name) =>
      readFileSync(join(scratch, name, part, "diffusion_pytorch_model.safetensors")),
    );
    expect(one!.equals(other!), part).toBe(true);
  }
});

test("a loss that is no longer finite stops with the step and the remedy", async () => {
  const given = options("diverged", { learningRate: 1e30, warmup: 0, logSeconds: 60, checkpointMinutes: 60 });
  await expect(generatorNamed("ddpm").train(given)).rejects.toThrow(/diverged at step \d+: .* Lower its/);
});
