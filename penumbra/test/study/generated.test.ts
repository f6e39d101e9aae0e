import { cpSync, existsSync, readFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { imageLines } from "../../src/data/index.ts";
import type { DrawnLine } from "../../src/generators/index.ts";
import type { Outcome } from "../../src/results/index.ts";
import { loadConfig, parseSettings, planStudy, runStudy, type StageEvent } from "../../src/study/index.ts";
import { makeTinyStudy, tinySettings, writeSettings } from "./tiny-study.ts";

vi.setConfig({ hookTimeout: 200_000 });

const training = {
  ...{ steps: 3, batchSize: 4, width: 8, latentSize: 4, emaDecay: 0.5 },
  ...{ logSeconds: 60, checkpointMinutes: 60, sheetMinutes: 60 },
};
const settings = {
  ...tinySettings,
  seeds: [0],
  arms: [
    "supcon",
    {
      ...{ name: "supcon+vae", objective: "supcon" },
      ...{ positives: "vae-faithful", negatives: "vae-near-ood", use: "columns" },
    },
    { name: "supcon+gan", objective: "supcon", negatives: "gan-near-ood", use: "columns" },
    { name: "supcon+wgan", objective: "supcon", negatives: "wgan", use: "columns" },
  ],
  sources: {
    "vae-faithful": { training },
    "vae-near-ood": { training },
    "gan-near-ood": { training },
    // The same generator with another loss, by a name of its own.
    wgan: {
      ...{ generator: "gan", kind: "near-ood" },
      training: { ...training, objective: "wasserstein", gradientPenalty: 10, r1: 0, discriminatorSteps: 2 },
    },
  },
};

let folder = "";
let outcome: Outcome;
const events: StageEvent[] = [];
const run = async (onEvent: (event: StageEvent) => void) => {
  const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "run"));
  return { study, outcome: await runStudy(study, { onEvent }) };
};

beforeAll(async () => {
  folder = await makeTinyStudy(settings);
  ({ outcome } = await run((event) => events.push(event)));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("arms learn from images of generators that are trained on their photos, side by side", () => {
  expect(outcome.arms.map(({ name }) => name)).toEqual(["supcon", "supcon+vae", "supcon+gan", "supcon+wgan"]);
  for (const recipe of ["vae-posterior", "vae-prior", "gan-mixed"])
    expect(outcome.recipes.map(({ name }) => name)).toContain(recipe);
  const judged = new Set(outcome.nearness?.map(({ recipe }) => recipe));
  expect(judged.has("vae-posterior") && judged.has("gan-untruncated")).toBe(true);
});

test("sources stand side by side: how their images look, and what learning and drawing cost", () => {
  const figures = new Map(outcome.sourceFigures!.map((row) => [row.source, row]));
  expect([...figures.keys()].sort()).toEqual(["gan-near-ood", "vae-faithful", "vae-near-ood", "wgan"]);
  const [vae, gan] = [figures.get("vae-faithful")!, figures.get("gan-near-ood")!];
  const drawn = outcome.nearness.filter(({ recipe }) => recipe.startsWith("gan-"));
  expect(gan.images).toBe(drawn.reduce((sum, { images }) => sum + images, 0));
  expect(gan.quality!.kid).not.toBeNull();
  expect(vae.training).toMatchObject({ steps: 3, divergence: null });
  expect(gan.training!.divergence).toBeLessThanOrEqual(Math.LN2);
  for (const { training, drawing } of [vae, gan]) {
    expect(training!.seconds).toBeGreaterThan(0);
    for (const { peakMemoryBytes } of [training!, drawing]) expect(peakMemoryBytes).toBeGreaterThan(2 ** 26);
  }
});

test("one training serves both kinds of a generator's images", async () => {
  const made = events.filter(({ event, stage }) => event === "done" && stage === "generator");
  expect(made.map(({ label }) => label)).toEqual(["vae, seed 0", "gan, seed 0", "gan, seed 0"]);
  const artifacts = join(folder, "run", "artifacts");
  const stages = (await readdir(artifacts)).filter((name) => name.startsWith("images"));
  expect(stages).toHaveLength(4);
  const hashes = new Set<string>();
  for (const stage of stages) {
    for (const line of await imageLines(join(artifacts, stage))) {
      if (line.generator === "vae") hashes.add((line as unknown as { modelHash: string }).modelHash);
    }
  }
  expect(hashes.size).toBe(1);
});

test("two sources of one generator are trained apart, by the settings of each, and told apart by recipe", async () => {
  const artifacts = join(folder, "run", "artifacts");
  const objectives = (await readdir(artifacts))
    .map((name) => join(artifacts, name, "model", "generator.json"))
    .filter((path) => existsSync(path))
    .map((path) => JSON.parse(readFileSync(path, "utf8")))
    .filter(({ generator }) => generator === "gan")
    .map(({ settings: { objective } }) => objective);
  expect(objectives.sort()).toEqual(["non-saturating", "wasserstein"]);
  const stages = (await readdir(artifacts)).filter((name) => name.startsWith("images"));
  const lines = (await Promise.all(stages.map((stage) => imageLines(join(artifacts, stage))))).flat();
  const hashes = (recipe: string) =>
    new Set(
      lines.filter((line) => line.recipe === recipe).map((line) => (line as unknown as DrawnLine).modelHash),
    );
  expect([hashes("gan-mixed").size, hashes("wgan-mixed").size]).toEqual([1, 1]);
  expect([...hashes("gan-mixed")]).not.toEqual([...hashes("wgan-mixed")]);
  expect(outcome.recipes).toContainEqual({
    name: "wgan-mixed",
    title: "wgan mixed classes",
    kind: "near-ood",
  });
});

test("the stages are counted, and a second run makes none of them again", async () => {
  const again: StageEvent[] = [];
  const { study } = await run((event) => again.push(event));
  const finished = (all: StageEvent[]) =>
    all.filter(({ event }) => event === "done" || event === "reused").length;
  expect(finished(events)).toBe(study.stageCount);
  const made = again.filter(
    ({ event, stage }) => event === "done" && ["generator", "images"].includes(stage),
  );
  expect(made).toEqual([]);
});

test("a training that begins with another model makes other images, and nothing else anew", async () => {
  const artifacts = join(folder, "run", "artifacts");
  const models = (await readdir(artifacts)).map((name) => join(artifacts, name, "model"));
  const isGan = (model: string) =>
    existsSync(model) && /"gan".*"non-saturating"/s.test(readFileSync(join(model, "generator.json"), "utf8"));
  const from = join(folder, "first-gan");
  cpSync(models.find(isGan)!, from, { recursive: true });
  const sources = { ...settings.sources, "gan-near-ood": { training, from: "first-gan" } };
  await writeSettings(folder, { ...settings, sources });
  const again: StageEvent[] = [];
  await run((event) => again.push(event));
  const made = again.filter(
    ({ event, stage }) => event === "done" && ["generator", "images"].includes(stage),
  );
  expect(made.map(({ stage, label }) => `${stage} ${label}`)).toEqual([
    "generator gan, seed 0",
    "images gan-near-ood, seed 0",
  ]);
  const runs = (model: string) => JSON.parse(readFileSync(join(model, "training.json"), "utf8")).runs.length;
  const after = (await readdir(artifacts)).map((name) => join(artifacts, name, "model"));
  expect(after.filter(isGan).map(runs).sort()).toEqual([1, 2]);
});

test("settings of a training are checked when the configuration is read", async () => {
  const sources = { ...settings.sources, "gan-near-ood": { training: { steps: -1, seed: 3 } } };
  const wrong = { ...settings, sources };
  const other = await makeTinyStudy(wrong);
  await expect(loadConfig(join(other, "study.yaml"))).rejects.toThrow(/training.*steps|training.*seed/s);
  expect(existsSync(join(other, "run"))).toBe(false);
  await rm(other, { recursive: true, force: true });
});

test("a source of one's own names its generator, and settings of that generator", () => {
  const read = (section: object) => parseSettings({ photos: "p", sources: { mine: section } }, "study.yaml");
  expect(() => read({ generator: "gam", kind: "near-ood" })).toThrow(
    /study\.yaml: The source "mine" is to be drawn by "gam".*Did you mean "gan"\?/,
  );
  expect(() => read({ generator: "latent-diffusion", kind: "near-ood" })).toThrow(
    /Choose one of: autoencoder/,
  );
  expect(() => read({ generator: "vae", kind: "near-ood", training: { objective: "hinge" } })).toThrow(
    /sources\.mine\.training.*objective/s,
  );
  expect(() => read({ generator: "vae", kind: "near" })).toThrow(/"sources.mine.kind" cannot be "near"/);
  expect(read({ generator: "vae", kind: "faithful" }).sources.mine).toMatchObject({ variants: 2 });
});
