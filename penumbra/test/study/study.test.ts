import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { imageLines } from "../../src/data/index.ts";
import { writeReport } from "../../src/report/index.ts";
import type { Outcome, ResultLine } from "../../src/results/index.ts";
import { loadConfig } from "../../src/study/config/load-config.ts";
import { planStudy, type StageEvent, type StageManifest } from "../../src/study/index.ts";
import { madeStages, makeTinyStudy, runTinyStudy, tinySettings, writeSettings } from "./tiny-study.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** The shares of a line. */
function figuresOf(line: ResultLine): number[] {
  if (line.kind === "trial") return [line.auroc as number];
  if (line.kind !== "classification")
    return [line.auroc, line.auprIn, line.fpr95IdPositive, line.oscr, line.ccrAtFpr10];
  return [line.accuracy, line.top5, line.macroF1, line.ece, line.adaptiveEce, line.aurc];
}

/** A page without its pictures and its script. */
function shownOf(page: string): string {
  return page.replaceAll(/data:image[^"]*/g, "").replaceAll(/<script\b.*?<\/script>/gs, "");
}

describe("a whole study", () => {
  let folder = "";
  let outcome: Outcome;
  let events: StageEvent[] = [];

  beforeAll(async () => {
    folder = await makeTinyStudy();
    ({ outcome, events } = await runTinyStudy(folder));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("gives every figure for every arm and seed", () => {
    for (const { name: arm } of outcome.arms) {
      for (const seed of [0, 1]) {
        const own = outcome.results.filter((line) => line.arm === arm && line.seed === seed);
        // Photos and objects: one line of classification, for 5 detectors the near validation class, the near test
        // class and the far class, each with its mean, and two candidates for the number of neighbours; of objects the
        // means by the two other ways to fuse views too. Beside that two recipes of redraws and four of collages.
        expect(own).toHaveLength(2 * (1 + 5 * 6 + 2 + 5 * 6) + 5 * 2 * 3);
        for (const line of own) {
          for (const figure of figuresOf(line)) expect(figure >= 0 && figure <= 1).toBe(true);
        }
      }
    }
  });

  it("answers its questions with paired differences and both kinds of intervals", () => {
    // By photo and by object.
    expect(outcome.comparisons).toHaveLength(2 * 4 * 3);
    for (const comparison of [...outcome.comparisons, ...outcome.hypotheses]) {
      expect(comparison.perSeed).toHaveLength(2);
      expect(comparison.interval).not.toBeNull();
      expect(comparison.overSeeds).not.toBeNull();
      expect(comparison.overObjects).not.toBeNull();
    }
    expect(outcome.hypotheses.map(({ name }) => name)).toEqual(["H1", "H2", "H3", "H4"]);
  });

  it("says for every recipe and strength how many redraws still look known", () => {
    expect(outcome.nearness.map(({ recipe, strength }) => `${recipe} ${strength}`)).toEqual([
      "faithful 0.25",
      "faithful 0.5",
      "drift 0.75",
      "crossed 0.5",
    ]);
    // 3 classes x 2 objects x 2 views x 2 seeds, by each recipe once.
    const images = (recipe: string) =>
      outcome.nearness.filter((row) => row.recipe === recipe).reduce((sum, row) => sum + row.images, 0);
    expect([images("faithful"), images("drift"), images("crossed")]).toEqual([24, 24, 24]);
    for (const { insideShare, quality } of outcome.nearness) {
      expect(insideShare >= 0 && insideShare <= 1).toBe(true);
      expect(quality!.fid).toBeGreaterThan(0);
      for (const share of [quality!.precision, quality!.recall])
        expect(share! >= 0 && share! <= 1).toBe(true);
    }
  });

  it("tells of as many stages as it announced", async () => {
    const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "run"));
    expect(events.filter(({ event }) => event === "done" || event === "reused")).toHaveLength(
      study.stageCount,
    );
  });

  it("lets arms share what they have in common: words and redraws are made once a seed", () => {
    const made = madeStages(events);
    expect(made.filter((name) => name.startsWith("words"))).toEqual(["words seed 0", "words seed 1"]);
    expect(made.filter((name) => name.startsWith("images"))).toHaveLength(4);
    expect(made.filter((name) => name.startsWith("encoder"))).toHaveLength(10);
  });

  it("trains no arm on anything but training photos of known classes and their redraws", async () => {
    const artifacts = join(folder, "run", "artifacts");
    const names = await readdir(artifacts);
    const splits = await Promise.all(
      names
        .filter((name) => name.startsWith("split"))
        .map(
          async (name) =>
            JSON.parse(await readFile(join(artifacts, name, "split.json"), "utf8")) as { train: string[] },
        ),
    );
    const train = new Set(splits.flatMap((split) => split.train));
    for (const name of names.filter((item) => item.startsWith("images"))) {
      const lines = (await readFile(join(artifacts, name, "manifest.jsonl"), "utf8")).trim().split("\n");
      for (const line of lines) expect(train.has((JSON.parse(line) as { parent: string }).parent)).toBe(true);
    }
    for (const id of train) expect(id.startsWith("known/")).toBe(true);
  });

  it("asks every arm of recipes that it has seen and of others, by images that nothing learned from", async () => {
    const lines = outcome.results.flatMap((line) => (line.kind === "synthetic" ? [line] : []));
    const seen = (arm: string) =>
      new Set(lines.filter((line) => line.arm === arm && line.isSeen).map(({ recipe }) => recipe));
    const all = new Set(lines.map(({ recipe }) => recipe));
    expect(all).toEqual(new Set(["drift", "crossed", "jigsaw", "cutmix", "blend", "patches"]));
    for (const { name, negatives } of outcome.arms)
      expect(seen(name)).toEqual(new Set(negatives === null ? [] : ["drift", "crossed"]));
    const artifacts = join(folder, "run", "artifacts");
    const names = await readdir(artifacts);
    const parentsOf = async (name: string) =>
      (await imageLines(join(artifacts, name))).map(({ parent }) => parent);
    const splitOf = async (name: string) =>
      JSON.parse(await readFile(join(artifacts, name, "split.json"), "utf8")) as Record<string, string[]>;
    const splits = await Promise.all(names.filter((name) => name.startsWith("split")).map(splitOf));
    const validation = new Set(splits.flatMap((split) => split.validation!));
    const unlearned = names.filter((name) => name.startsWith("unlearned"));
    expect(unlearned).toHaveLength(4); // near-OOD redraws and collages of two seeds
    for (const name of unlearned) {
      const parents = await parentsOf(name);
      expect(parents.length).toBeGreaterThan(0);
      for (const parent of parents) expect(validation.has(parent)).toBe(true);
    }
  });

  it("says in each artifact's manifest what made it, how long it took and on what", async () => {
    const artifacts = join(folder, "run", "artifacts");
    const name = (await readdir(artifacts)).find((item) => item.startsWith("encoder")) ?? "";
    const manifest = JSON.parse(
      await readFile(join(artifacts, name, "manifest.json"), "utf8"),
    ) as StageManifest;
    expect(manifest).toMatchObject({
      stage: "encoder",
      version: 2,
      machine: { device: "cpu", precision: "fp32" },
    });
    expect(manifest.seconds).toBeGreaterThan(0);
    expect(manifest.peakMemory).toBeGreaterThan(2 ** 20);
  });

  it("makes a report with pictures, strengths and the machine", async () => {
    const html = await readFile(await writeReport(join(folder, "run")), "utf8");
    expect(html.match(/data:image\/(png|webp);base64/g)?.length).toBeGreaterThan(10);
    const page = shownOf(html);
    expect(page).toMatch(/<b>faithful 0\.(25|50)<\/b>/);
    expect(page).toMatch(/<b>drift 0\.75<\/b>/);
    expect(page).not.toMatch(/NaN|undefined/);
    expect(page).toContain(outcome.machine.processor.replaceAll("&", "&amp;"));
  });

  it("asked for again makes nothing and finds the same", async () => {
    const again = await runTinyStudy(folder);
    expect(madeStages(again.events)).toEqual([]);
    expect(again.outcome.results).toEqual(outcome.results);
    expect(again.outcome.comparisons).toEqual(outcome.comparisons);
  });

  it("with more seeds makes only the new one's stages", async () => {
    await writeSettings(folder, { ...tinySettings, seeds: [0, 1, 2] });
    const more = await runTinyStudy(folder);
    const made = madeStages(more.events);
    expect(made).toContain("words seed 2");
    expect(made.filter((name) => !name.endsWith("seed 2"))).toEqual([]);
    expect(more.outcome.results.filter(({ seed }) => seed < 2)).toEqual(outcome.results);
  });

  it.each([
    ["the probe's penalty", { probe: { l2: [0.5] } }, ["probe", "score"]],
    ["the number of neighbours", { tuning: { knn: { k: [2] } } }, ["score"]],
    [
      "the negatives' weight",
      { objectives: { supcon: { projection: 8, negativeWeight: 2 } } },
      ["encoder", "features", "probe", "score", "feature-map", "audit"],
    ],
    [
      "the strength of drift",
      {
        redraw: {
          ...tinySettings.redraw,
          recipes: { ...tinySettings.redraw.recipes, drift: { strengths: [1], variants: 1 } },
        },
      },
      ["images", "unlearned", "score", "encoder", "features", "probe", "nearness", "feature-map", "audit"],
    ],
    ["the bootstrap", { statistics: { bootstrap: 60 } }, []],
  ])("with another setting for %s makes again only what depends on it", async (_, change, kinds) => {
    await writeSettings(folder, { ...tinySettings, ...change });
    const changed = await runTinyStudy(folder);
    const made = madeStages(changed.events);
    expect([...new Set(made.map((name) => name.split(" ")[0]))]).toEqual(kinds);
    if (kinds[0] === "encoder" || kinds[0] === "images") {
      // Only the arms that have near-OOD redraws are concerned; scores, maps and audits look at redraws in every arm.
      const looking = kinds[0] === "images" ? /^(score|feature-map|audit)/ : /^(feature-map|audit)/;
      const others = made.filter((name) => !looking.test(name));
      expect(others.filter((name) => /(cross-entropy|supcon|supcon\+faithful),/.test(name))).toEqual([]);
    }
  });

  it("leaves nothing behind but the run folder's own files", async () => {
    expect((await readdir(join(folder, "run"))).sort()).toEqual([
      "artifacts",
      "cache",
      "images",
      "openings.jsonl",
      "report.html",
      "report.json",
      "results.jsonl",
      "work",
    ]);
    expect(await readdir(join(folder, "run", "work"))).toEqual([]);
  });
});

describe("a study of one photo a class", () => {
  it("runs to its end with every detector", async () => {
    const folder = await makeTinyStudy(
      {
        ...tinySettings,
        arms: ["supcon", "supcon+both"],
        seeds: [0],
        split: { shots: 1, validation: 1, test: 1 },
      },
      { known: 3, near: 2, far: 0, objects: 3, views: 1 },
    );
    try {
      const { outcome } = await runTinyStudy(folder);
      const detectors = new Set(
        outcome.results.flatMap((line) => ("detector" in line ? [line.detector] : [])),
      );
      expect(detectors.size).toBe(5);
      expect(outcome.nearness.length).toBeGreaterThan(0);
      for (const arm of ["supcon", "supcon+both"]) {
        const { l2, trials } = outcome.probes!.find((probe) => probe.arm === arm && probe.seed === 0)!;
        expect(trials.length).toBeGreaterThan(1);
        const best = Math.max(...trials.map(({ accuracy }) => accuracy));
        expect(trials.find((trial) => trial.l2 === l2)?.accuracy).toBe(best);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a study without synthetic images", () => {
  it("needs no diffusion model", async () => {
    const folder = await makeTinyStudy(
      { ...tinySettings, arms: ["supcon"], seeds: [3], model: "nowhere" },
      { known: 2, near: 0, far: 0 },
    );
    try {
      const { outcome } = await runTinyStudy(folder);
      // No unknowns either: images that stand in for them choose, and accuracy is all that there is to say.
      const parts = outcome.results.flatMap((line) => (line.kind === "unknowns" ? [line.part] : []));
      expect(new Set(parts)).toEqual(new Set(["standIns"]));
      const kinds = outcome.results.flatMap((line) => (line.kind === "unknowns" ? [line.unknownClass] : []));
      expect(new Set(kinds)).toEqual(new Set([null, "jigsaw", "CutMix"]));
      const trials = outcome.results.flatMap((line) => (line.kind === "trial" ? [line] : []));
      expect(trials.length).toBeGreaterThan(0);
      for (const { chosenBy, auroc } of trials) {
        expect(chosenBy).toBe("standIns");
        expect(auroc).toBeGreaterThan(0);
      }
      expect(outcome.detectorReason).toContain("images that stand in for unknowns");
      expect(outcome.comparisons).toEqual([]);
      const page = await readFile(await writeReport(join(folder, "run")), "utf8");
      expect(shownOf(page)).not.toMatch(/NaN|undefined|n\/a|What was drawn/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
