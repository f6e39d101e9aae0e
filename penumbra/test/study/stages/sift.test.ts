import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  groupBy,
  imageLines,
  requireTrainParents,
  type Split,
  scanPhotos,
  splitByObject,
} from "../../../src/data/index.ts";
import { findModel } from "../../../src/diffusion/index.ts";
import { settleImages } from "../../../src/study/config/index.ts";
import { parseSettings, TABLES } from "../../../src/study/index.ts";
import { prepareSeeds, readSift, type SeedData, type StudyContext } from "../../../src/study/stages/index.ts";
import { StageStore, type StageStoreOptions } from "../../../src/study/store/index.ts";
import { makeTinyStudy, tinySettings } from "../tiny-study.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const settings = {
  ...{ ...tinySettings, seeds: [0], arms: ["cross-entropy", "supcon+ce+sifted-both", "supcon+ce+collage"] },
  sift: { folds: 2, rounds: 2, probes: 2, attempts: 2, known: 0.5, upper: 100, probability: 1 },
};

let folder = "";
let split: Split;
beforeAll(async () => {
  folder = await makeTinyStudy(settings);
  split = splitByObject(await scanPhotos(join(folder, "photos"), {}), { ...tinySettings.split, seed: 0 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function prepare(
  run: string,
  changes: object = {},
  options: StageStoreOptions = {},
): Promise<SeedData> {
  const config = settleImages(parseSettings({ ...settings, ...changes }, "test"), null);
  const manifest = await scanPhotos(join(folder, "photos"), {});
  const context: StudyContext = {
    ...{
      config,
      tables: TABLES,
      folder,
      photos: manifest.photos,
      root: manifest.root,
      white: manifest.white,
      classes: manifest.classes,
    },
    store: new StageStore(join(folder, run), options),
    cacheFolder: join(folder, "cache"),
    ...{ device: "cpu", precision: "fp32", weights: null },
  };
  const model = await findModel(config.model, { base: folder });
  const [seed] = await prepareSeeds(context, manifest, model);
  return seed!;
}

describe("sifting", () => {
  it("lets pass what plays the source's role, of training photos alone, and keeps every image's reason", async () => {
    const { images } = await prepare("run");
    for (const [name, kind] of [
      ["sifted-faithful", "faithful"],
      ["sifted-near-ood", "near-ood"],
    ] as const) {
      const artifact = images[name]!;
      const { summary, lines } = await readSift(artifact);
      const passed = await imageLines(artifact.folder);
      expect(() => requireTrainParents(lines, split)).not.toThrow();
      for (const { sift, kind: meant } of lines) {
        expect(meant).toBe(kind);
        expect(sift.reason).not.toBe("");
        expect(sift.isAccepted).toBe(sift.role === kind);
      }
      // The classifier's probability of the photo's class, and of the one whose word it was drawn with.
      for (const { sift, className, wordClass } of lines) {
        const { probability, wordProbability, answer } = sift;
        if (wordClass === className) expect(wordProbability).toBe(probability);
        else expect(probability + wordProbability).toBeLessThanOrEqual(1 + 1e-4);
        for (const [name, value] of [
          [className, probability],
          [wordClass, wordProbability],
        ] as const) {
          expect(value).toBeGreaterThanOrEqual(0);
          if (answer === name) expect(value).toBeGreaterThanOrEqual(1 / 3 - 1e-4); // of three classes the largest
        }
      }
      if (kind === "near-ood") {
        const crossed = lines.filter(({ recipe }) => recipe === "crossed");
        expect(crossed.every(({ className, wordClass }) => className !== wordClass)).toBe(true);
        expect(crossed.some(({ sift }) => sift.wordProbability !== sift.probability)).toBe(true);
      }
      const accepted = lines.filter(({ sift }) => sift.isAccepted);
      expect(passed.map(({ file }) => file).sort()).toEqual(accepted.map(({ file }) => file).sort());
      const stored = await readdir(join(artifact.folder, "images"));
      expect(stored.sort()).toEqual(lines.map(({ file }) => file.replace("images/", "")).sort());
      for (const { recipe, wanted, drawn, accepted: yielded } of summary.recipes) {
        const own = lines.filter((line) => line.recipe === recipe);
        expect(own).toHaveLength(drawn);
        expect(yielded).toBeLessThanOrEqual(wanted);
        // Every request is met once, or was drawn as often as it may be.
        const byRequest = groupBy(own, ({ parent, variant }) => `${parent} ${variant}`);
        expect(byRequest.size).toBe(wanted);
        for (const tried of byRequest.values()) {
          const last = tried.find(({ sift }) => sift.isAccepted) ? 1 : settings.sift.attempts;
          expect(tried.filter(({ sift }) => sift.isAccepted).length === 1 || tried.length === last).toBe(
            true,
          );
        }
      }
      expect(summary.strengths.every(({ strength }) => strength > 0 && strength <= 1)).toBe(true);
    }
    expect(images["sifted-near-ood"]!.manifest.inputs).toHaveProperty("judge1");
  });

  it("takes the judging arm itself where nothing is left out, calibrated by the validation photos", async () => {
    const { images } = await prepare("run", { sift: { ...settings.sift, folds: 1 } });
    const { inputs } = images["sifted-near-ood"]!.manifest;
    expect(Object.keys(inputs)).toEqual(expect.arrayContaining(["judge0", "validation", "nearValidation"]));
    expect(inputs).not.toHaveProperty("judge1");
    const { summary } = await readSift(images["sifted-near-ood"]!);
    expect(summary.check.knownInside).toBeCloseTo(0.5, 0); // "known" of these settings, of the photos that calibrate
  });

  it("that is interrupted between attempts goes on to the same images", async () => {
    const undisturbed = await prepare("run");
    const stop = new AbortController();
    const broken = prepare(
      "broken",
      {},
      {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.event === "progress" && event.stage === "sift") stop.abort();
        },
      },
    );
    await expect(broken).rejects.toThrow(/aborted/);
    const drawn = await readdir(join(folder, "broken", "work"), { recursive: true });
    expect(drawn.filter((name) => name.endsWith(".png")).length).toBeGreaterThan(0);
    const resumed = await prepare("broken");
    for (const name of ["sifted-faithful", "sifted-near-ood"]) {
      const [a, b] = [undisturbed.images[name]!, resumed.images[name]!];
      expect(b.hash).toBe(a.hash);
      expect(await readSift(b)).toEqual(await readSift(a));
      expect((await readdir(join(b.folder, "images"))).sort()).toEqual(
        (await readdir(join(a.folder, "images"))).sort(),
      );
    }
  });

  it("finds the same images again in another run, and looks at no test photo", async () => {
    const first = await prepare("run");
    const second = await prepare("other", { split: { ...tinySettings.split, test: 1 } });
    expect(second.split.test.length).toBeLessThan(first.split.test.length);
    for (const name of ["sifted-faithful", "sifted-near-ood"]) {
      const [a, b] = [first.images[name]!, second.images[name]!];
      expect(b.hash).toBe(a.hash);
      expect(await imageLines(b.folder)).toEqual(await imageLines(a.folder));
    }
  });
});

describe("boundary redraws", () => {
  it("are led by the judges of their photos' folds, with what decides about them in their identity", async () => {
    const boundary = (changes: object = {}) => ({
      arms: ["cross-entropy", "supcon+ce+boundary", "supcon+ce+sifted-boundary"],
      redraw: {
        ...tinySettings.redraw,
        recipes: { boundary: { strengths: [0.75], variants: 1, ...changes } },
      },
      sift: { ...settings.sift, rounds: 0, attempts: 1 },
    });
    const led = await prepare("run", boundary());
    const { images } = led;
    const { inputs, config } = images.boundary!.manifest;
    expect(Object.keys(inputs)).toEqual(
      expect.arrayContaining(["judge0", "judge1", "validation", "nearValidation"]),
    );
    expect(config).toMatchObject({ settings: { judging: { folds: 2, known: 0.5, upper: 100 } } });
    // The same images, of which some are taken, and the same judges say how far out each lies.
    const far = async (data: SeedData) => {
      const { lines } = await readSift(data.images["sifted-boundary"]!);
      return lines.map(({ sift }) => sift.nearest);
    };
    const drawn = await imageLines(images.boundary!.folder);
    expect(drawn).toHaveLength(split.train.length);
    const free = await prepare("run", boundary({ weight: 0 }));
    const aim = 1 + 0.5 * 99;
    const gap = async (data: SeedData) => {
      const all = await far(data);
      return all.reduce((sum, each) => sum + Math.abs(each - aim), 0) / all.length;
    };
    expect(await gap(led)).toBeLessThan(await gap(free));
  });
});

describe("a configuration with sifted images", () => {
  const read = (changes: object) => () => parseSettings({ ...settings, ...changes }, "study.yaml");
  it("is refused with a judge that learns from synthetic images, and with one object a class", () => {
    expect(read({ sift: { judge: "supcon+near-ood" } })).toThrow(/learns from synthetic images itself/);
    expect(read({ arms: ["supcon+ce+boundary"], sift: { judge: "supcon+near-ood" } })).toThrow(
      /learns from synthetic images itself/,
    );
    expect(read({ split: { ...tinySettings.split, shots: 1 } })).toThrow(
      /Set sift.folds to 1, or split.shots to 2/,
    );
    expect(read({ sift: { judge: "crossentropy" } })).toThrow('Did you mean "cross-entropy"?');
  });
});
