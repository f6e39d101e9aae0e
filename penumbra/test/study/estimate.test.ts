import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encoderNetworkNames } from "../../src/models/index.ts";
import { armOf } from "../../src/study/arms/index.ts";
import { loadConfig, parseConfig, settleImages, TABLES, tablesWith } from "../../src/study/config/index.ts";
import {
  describeEstimate,
  estimateStudy,
  expectedSeconds,
  isHeavy,
  type Workload,
} from "../../src/study/estimate.ts";
import { settleWork } from "../../src/study/settle-jobs.ts";
import { detectors } from "../../src/unknowns/index.ts";

const demo = `
photos: photos
seeds: [0, 1]
arms: [cross-entropy, supcon, supcon+faithful, supcon+near-ood, supcon+both]
words: {steps: 60, batchSize: 2}
redraw:
  steps: 10
  guidanceScale: 3
  recipes:
    faithful: {strengths: [0.2, 0.35], variants: 1}
    drift: {strengths: [0.8, 0.9], variants: 1}
    crossed: {strengths: [0.6, 0.7], variants: 1}
encoder: {steps: 120, batchSize: 48, negatives: 24}
`;
const mini = { imageSize: 64, denoiserParameters: 7.08e6 };
const load = (text = demo, rest: Partial<Workload> = {}): Workload => ({
  config: settleImages(parseConfig(text, "study.yaml"), null),
  tables: TABLES,
  knownClasses: 8,
  trainPhotos: 192,
  validationPhotos: 256,
  photos: 2048,
  model: mini,
  ...{ precision: "fp32", threads: 2, jobs: 1 },
  ...rest,
});
const estimate = (text?: string, rest?: Partial<Workload>) => estimateStudy(load(text, rest))!;
const total = expectedSeconds;

/** The machine of the measurements, or one with more of everything. */
const machine = { cores: 2, memoryBytes: 24 * 2 ** 30, device: "cpu" };
const large = { ...machine, cores: 16 };
const work = (text: string, on = machine, rest: Partial<Workload> = {}) => settleWork(load(text, rest), on);

describe("how a study goes to work", () => {
  it("takes two threads a stage, and as many jobs as there are cores and memory for", () => {
    expect(work(demo)).toMatchObject({ threads: 2, jobs: 1 });
    expect(work(demo, large)).toMatchObject({ threads: 2, jobs: 8 });
    expect(work(demo, { ...large, memoryBytes: 4 * 2 ** 30 })).toMatchObject({ threads: 2, jobs: 2 });
    expect(work(demo, { ...machine, cores: 1 })).toMatchObject({ threads: 1, jobs: 1 });
  });

  it("gives each of several devices a job", () => {
    const gpus = { ...large, device: "cuda:0", devices: ["cuda:0", "cuda:1", "cuda:2"] };
    expect(work(demo, gpus)).toMatchObject({ jobs: 3, estimate: undefined });
    expect(work(`${demo}jobs: 6\n`, gpus).jobs).toBe(6);
    expect(load(`${demo}device: [cuda:0, cuda:1]\n`).config.device).toEqual(["cuda:0", "cuda:1"]);
    expect(() => parseConfig(`${demo}device: [gpu]\n`, "study.yaml")).toThrow(/device.*Use "auto"/s);
  });

  it("settles the threads whatever the jobs are", () => {
    for (const jobs of [1, 2, 5]) {
      expect(work(`${demo}jobs: ${jobs}\n`, large)).toMatchObject({ threads: 2, jobs });
      expect(work(`${demo}jobs: ${jobs}\nthreads: 3\n`, large)).toMatchObject({ threads: 3, jobs });
    }
  });

  it("leaves all cores to one stage of large images or networks, to a GPU, and to what is short", () => {
    const sd = { imageSize: 512, denoiserParameters: 860e6 };
    expect(work(demo, large, { model: sd })).toMatchObject({ threads: 16, jobs: 1 });
    expect(work(`${demo}imageSize: 224\n`, large)).toMatchObject({ threads: 2, jobs: 8 });
    const vit = demo.replace("encoder: {", "imageSize: 224\nencoder: {network: vit-small, ");
    expect(work(vit, large)).toMatchObject({ threads: 16, jobs: 1 });
    expect(isHeavy(load(vit).config, null)).toBe(true);
    expect(work(demo, { ...large, device: "cuda" })).toMatchObject({ jobs: 1, estimate: undefined });
    const short = "photos: x\narms: [supcon]\nseeds: [0]\nencoder: {steps: 5}\n";
    expect(work(short, large, { model: undefined })).toMatchObject({ threads: 2, jobs: 1 });
  });

  it("refuses several jobs with functions of a caller's own", () => {
    const own = { tables: tablesWith({ detectors: { mine: detectors.msp } }) };
    expect(work(demo, large, own).jobs).toBe(1);
    expect(() => work(`${demo}jobs: 2\n`, large, own)).toThrow(/detectors of its own.*Set jobs to 1/);
  });

  it("has several jobs with sources that the configuration describes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "penumbra-jobs-"));
    const sources = "sources: {wgan: {generator: gan, kind: near-ood}, mine: {folder: made, kind: faithful}}";
    await writeFile(join(folder, "study.yaml"), `${demo}${sources}\n`);
    const { config, tables } = await loadConfig(join(folder, "study.yaml"));
    await rm(folder, { recursive: true });
    expect(Object.keys(tables.sources)).toEqual(expect.arrayContaining(["wgan", "sifted-wgan", "mine"]));
    expect(work(demo, large, { config: settleImages(config, null), tables }).jobs).toBe(8);
  });
});

describe("the time of a study", () => {
  it("holds the 4:51 minutes that the demo was measured to take on two cores", () => {
    const { low, high } = estimate();
    expect(low).toBeLessThan(291);
    expect(high).toBeGreaterThan(291);
    expect(high / low).toBeLessThanOrEqual(6 + 1e-9);
  });

  it("is the pace of the precision: 2:10 minutes were measured where the processor has bf16, near the lower end", () => {
    const { low, high } = estimate(demo, { precision: "bf16" });
    expect(low).toBeLessThan(130);
    expect(low).toBeGreaterThan(0.6 * 130);
    expect(high / low).toBeLessThanOrEqual(4 + 1e-9);
    const measured = (precision: Workload["precision"]) =>
      describeEstimate(estimate(demo, { precision }), String);
    expect(measured("bf16")).toContain("by the demo's pace in bf16 (");
    expect(measured("fp16")).toBe(measured("fp32")); // of fp16 nothing was measured
  });

  it("grows with classes, photos, seeds, steps and the model as the work does", () => {
    const more = (text: string, rest: Partial<Workload> = {}) => estimate(text, rest);
    const one = estimate();
    expect(more(demo, { knownClasses: 300 }).words).toBeCloseTo((one.words * 300) / 8);
    expect(more(demo, { trainPhotos: 384 }).redraws).toBeCloseTo(2 * one.redraws);
    const four = more(demo.replace("[0, 1]", "[0, 1, 2, 3]"));
    // Maps are of the first seed.
    expect(total(four) - four.audits).toBeCloseTo(2 * (total(one) - one.audits));
    const mapped = (rest: Partial<Workload>) =>
      more(`${demo}maps: [pca, umap]\n`, rest).rest - more(demo, rest).rest;
    expect(mapped({})).toBeCloseTo(5 * 5); // an arm's layout is one thread's
    expect(mapped({ jobs: 5, threads: 4 })).toBeCloseTo(5);
    expect(more(demo.replace("steps: 120", "steps: 240")).encoders).toBeCloseTo(2 * one.encoders);
    const large = { imageSize: 128, denoiserParameters: 2 * 7.08e6 };
    expect(more(demo, { model: large }).redraws).toBeCloseTo(8 * one.redraws);
    expect(more(demo, { threads: 4 }).words).toBeCloseTo(one.words / 2);
  });

  it("counts what judges, sifts and audits, and every number of shots", () => {
    const one = estimate();
    expect(one.sift).toBe(0);
    expect(one.audits).toBeGreaterThan(0);
    const arms = "arms: [cross-entropy, supcon, supcon+sifted]";
    const sifted = estimate(demo.replace(/arms: .*/, arms));
    expect(sifted.redraws).toBe(0);
    expect(sifted.sift).toBeGreaterThan(one.redraws / 2);
    // A judge for each fold beside the arms.
    const folds = estimate(`${demo.replace(/arms: .*/, arms)}sift: {folds: 4}\n`);
    expect(folds.sift - sifted.sift).toBeCloseTo((4 * folds.encoders) / 3 / 1.083, 0);
    const once = estimate(`${demo.replace(/arms: .*/, arms)}sift: {attempts: 1, rounds: 0}\n`);
    expect(once.sift).toBeLessThan(sifted.sift / 2);
    const shots = estimate(`${demo}split: {shots: [1, 2, 4]}\n`);
    expect(shots.encoders).toBeCloseTo(3 * one.encoders);
    expect(shots.redraws).toBeCloseTo(1.75 * one.redraws); // of a quarter, a half and all photos
    // Audits are of the shots of the answer; near-OOD redraws of 32 validation photos are drawn with each.
    const redrawsOf = demo.replace(/arms: .*/, "arms: [supcon+near-ood]");
    const unlearned = (estimate(redrawsOf).redraws * 32) / 192;
    expect(shots.audits).toBeCloseTo(one.audits + 2 * unlearned);
  });

  it("is shorter with jobs, as far as there is something for each", () => {
    const one = estimate();
    const four = estimate(demo, { jobs: 4 });
    expect(four.encoders).toBeCloseTo(one.encoders / 4);
    expect(four.words).toBeCloseTo(one.words / 2); // two seeds
    expect(describeEstimate(four, String)).toContain("on 8 cores, 4 stages side by side");
  });

  describe("of generators that are trained", () => {
    const arms = {
      one: { ...armOf("supcon+near-ood"), positives: "vae-faithful", negatives: "gan-near-ood" },
      other: { ...armOf("supcon+near-ood"), negatives: "vae-near-ood" },
    } as const;
    const tables = tablesWith({ arms });
    const of = (training: object, rest: Partial<Workload> = {}) => {
      const names = ["vae-faithful", "vae-near-ood", "gan-near-ood"];
      const sources = Object.fromEntries(names.map((name) => [name, { training }]));
      const text = `${demo.replace(/arms: .*/, "arms: [one, other]")}sources: ${JSON.stringify(sources)}\n`;
      const config = settleImages(parseConfig(text, "study.yaml", tables), null);
      return estimate(demo, { tables, config, ...rest });
    };

    it("counts minutes as they are, once for sources that share a training, at every seed", () => {
      const given = of({ minutes: 5 });
      expect(given.generators).toBeCloseTo(2 * 2 * 300); // two seeds, a VAE and a GAN
      expect(of({ minutes: 5 }, { threads: 8 }).generators).toBeCloseTo(given.generators);
      expect(of({ minutes: 5 }, { jobs: 2 }).generators).toBeCloseTo(given.generators / 2);
      // The range is of what is reckoned: not of minutes.
      const without = total(given) - given.generators;
      expect(given.low).toBeCloseTo(given.generators + without / 2);
      expect(given.high).toBeCloseTo(given.generators + 3 * without);
    });

    it("reckons steps by the pace that was measured, which falls with batches, images and networks", () => {
      const base = of({ steps: 1000 }).generators;
      // On one core 1,000 steps of the defaults took 295 s (VAE) and 278 s (GAN).
      expect(base).toBeCloseTo((2 * (295 + 278)) / 2);
      expect(of({ steps: 3000 }).generators).toBeCloseTo(3 * base);
      expect(of({ steps: 1000, batchSize: 64 }).generators).toBeCloseTo(
        (2 * 2 * 295) / 2 + (2 * 4 * 278) / 2,
      );
      expect(of({ steps: 1000, imageSize: 128 }).generators).toBeCloseTo(4 * base);
      expect(of({ steps: 1000, width: 64 }).generators).toBeCloseTo(4 * base);
      expect(describeEstimate(of({ steps: 1000 }), String)).toMatch(/generators \d+ %/);
    });
  });

  it("grows by looks at photos, as many as there are, and by a teacher that is trained and asked", () => {
    const plain = estimate().encoders;
    const looking = (every: number) =>
      estimate(demo.replace("encoder: {", `encoder: {evaluation: {every: ${every}}, `)).encoders - plain;
    expect(looking(20)).toBeCloseTo(3 * looking(60));
    expect(looking(50)).toBeCloseTo(3 * looking(120)); // 120 steps end with a look
    // Of five arms: 192 + 256 features and twice 6 batches of 48 photos in two views, forwards alone.
    const steps = 5 * 120 * 96 + 2 * 120 * 24;
    expect(looking(120) / plain).toBeCloseTo((5 * (192 + 256 + 2 * 6 * 96)) / 3 / steps);
    const only = (arms: string) =>
      estimate(demo.replace(/arms: .*/, `arms: [${arms}]`), { model: undefined }).encoders;
    expect(only("genscl+teacher") / only("genscl")).toBeCloseTo(2 + 1 / 3);
    expect(only("cross-entropy, genscl+teacher") / only("genscl")).toBeCloseTo(2 + 1 / 3);
  });

  it("of frozen encoders is that of the features, made once for all arms and seeds", () => {
    const frozen = estimate("photos: x\nencoder: {weights: w.safetensors}\narms: [frozen]\nseeds: [0]\n", {
      model: undefined,
    });
    expect(frozen.encoders).toBe(0);
    expect(frozen.rest).toBeGreaterThan(0);
    const more = estimate(
      "photos: x\nencoder: {weights: w.safetensors}\narms: [frozen]\nseeds: [0, 1, 2]\n",
      { model: undefined },
    );
    expect(more.rest).toBe(frozen.rest);
    const whole = estimate("photos: x\narms: [supcon]\nseeds: [0, 1, 2]\n", { model: undefined });
    expect(whole.rest).toBeCloseTo(3 * frozen.rest);
  });

  it("counts no diffusion where no arm draws, and says nothing of a GPU", () => {
    const plain = estimate("photos: x\narms: [cross-entropy]\n", { model: undefined });
    expect([plain.words, plain.redraws]).toEqual([0, 0]);
    expect(plain.encoders).toBeGreaterThan(0);
    expect(estimateStudy(load(`${demo}device: cuda\n`))).toBeUndefined();
  });

  it("is positive and finite for every network of the table", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...encoderNetworkNames),
        fc.integer({ min: 1, max: 64 }),
        (network, cores) => {
          const { encoders } = estimate(demo.replace("encoder: {", `encoder: {network: ${network}, `), {
            threads: cores,
          });
          expect(encoders > 0 && Number.isFinite(encoders)).toBe(true);
        },
      ),
    );
  });

  it("is one line with a range and where the time goes", () => {
    const text = describeEstimate(estimate(), (seconds) => `${Math.round(seconds)} s`);
    expect(text).toMatch(/^Time: \d+ s to \d+ s on 2 cores without a GPU, .*\(words \d+ %, .*encoders \d+ %/);
  });
});
