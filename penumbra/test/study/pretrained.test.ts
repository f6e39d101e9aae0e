import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { writeReport } from "../../src/report/index.ts";
import type { Outcome } from "../../src/results/index.ts";
import { parseSettings } from "../../src/study/config/index.ts";
import { loadConfig } from "../../src/study/config/load-config.ts";
import { planStudy, type StageEvent } from "../../src/study/index.ts";
import { makeTinyStudy, runTinyStudy, tinySettings, writeSettings, writeWeights } from "./tiny-study.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const settings = {
  ...tinySettings,
  arms: ["frozen", "cross-entropy"],
  encoder: { ...tinySettings.encoder, weights: "weights" },
};

describe("a study from published weights", () => {
  let folder = "";
  let outcome: Outcome;
  let events: StageEvent[] = [];
  const made = () =>
    events.filter(({ event }) => event === "done").map(({ stage, label }) => `${stage} ${label}`.trim());

  beforeAll(async () => {
    folder = await makeTinyStudy(settings);
    await writeWeights(join(folder, "weights"), 1);
    ({ outcome, events } = await runTinyStudy(folder));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("makes the frozen encoder and its features of all photos once for all seeds", () => {
    const encoders = made().filter((title) => /^(encoder|features)/.test(title));
    expect(encoders.sort()).toEqual([
      "encoder cross-entropy, seed 0",
      "encoder cross-entropy, seed 1",
      "encoder frozen",
      "features cross-entropy, seed 0",
      "features cross-entropy, seed 1",
      "features frozen",
      "features frozen, seed 0",
      "features frozen, seed 1",
    ]);
  });

  it("plans as many stages as there are", async () => {
    const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "run"));
    const titles = events.filter(({ event }) => event === "start" || event === "reused");
    expect(new Set(titles.map(({ stage, label }) => `${stage} ${label}`)).size).toBe(study.stageCount);
  });

  it("gives figures of both arms, a curve of the trained one alone, and a report", async () => {
    for (const arm of ["frozen", "cross-entropy"]) {
      const own = outcome.results.filter((line) => line.arm === arm && line.kind !== "unknowns");
      expect(own.length).toBeGreaterThan(0);
    }
    expect(new Set(outcome.curves.map(({ arm }) => arm))).toEqual(new Set(["cross-entropy"]));
    await writeReport(join(folder, "run"));
  });

  it("makes what depends on the weights again when they change, and nothing when only their place does", async () => {
    await writeWeights(join(folder, "elsewhere"), 1);
    await writeSettings(folder, { ...settings, encoder: { ...settings.encoder, weights: "elsewhere" } });
    ({ events } = await runTinyStudy(folder));
    expect(made().filter((title) => /^(encoder|features|probe|score)/.test(title))).toEqual([]);
    await writeWeights(join(folder, "elsewhere"), 2);
    ({ events } = await runTinyStudy(folder));
    expect(made()).toEqual(expect.arrayContaining(["encoder frozen", "encoder cross-entropy, seed 0"]));
  });

  it("with everything frozen draws nothing, and all arms have the same figures", async () => {
    await writeSettings(folder, {
      ...settings,
      arms: ["cross-entropy", "supcon+both"],
      encoder: { ...settings.encoder, train: "frozen" },
    });
    ({ outcome, events } = await runTinyStudy(folder));
    expect(made().filter((title) => /^(words|images|encoder)/.test(title))).toEqual([]);
    const figures = (arm: string) =>
      outcome.results.filter((line) => line.arm === arm).map((line) => JSON.stringify({ ...line, arm: "" }));
    expect(figures("supcon+both")).toEqual(figures("cross-entropy"));
  });

  it("refuses weights of another network before anything is written", async () => {
    await writeSettings(folder, {
      ...settings,
      encoder: { ...settings.encoder, network: "vit-small", train: "frozen" },
    });
    await expect(runTinyStudy(folder)).rejects.toThrow(/holds no vit-small.*missing.*cls_token/s);
  });
});

it.each([{ arms: ["frozen"] }, { encoder: { train: "frozen" } }])(
  "a study that trains nothing and names no weights is refused (%j)",
  (changes) => {
    expect(() => parseSettings({ photos: "p", ...changes }, "study.yaml")).toThrow(
      /there are no weights. Name published ones under "encoder.weights"/,
    );
  },
);

it.each(["last-0", "last-x", "half"])("how much is trained cannot be %s", (train) => {
  expect(() => parseSettings({ photos: "p", encoder: { train } }, "study.yaml")).toThrow(/encoder.train/);
});
