import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readJsonLines } from "../../src/files/index.ts";
import { writeReport } from "../../src/report/index.ts";
import type { Outcome, ResultLine } from "../../src/results/index.ts";
import { loadConfig, planStudy, type StageEvent } from "../../src/study/index.ts";
import { madeStages, makeTinyStudy, runTinyStudy, tinySettings, writeSettings } from "./tiny-study.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const settings = {
  ...{ ...tinySettings, seeds: [0, 1], arms: ["supcon", "supcon+near-ood"], detectors: ["msp", "knn"] },
  split: { ...tinySettings.split, shots: [2, 1], test: "rest" },
};

describe("a study with several numbers of shots", () => {
  let folder = "";
  let outcome: Outcome;
  let events: StageEvent[] = [];

  beforeAll(async () => {
    folder = await makeTinyStudy(settings, { known: 2, near: 2, far: 0, objects: 5 });
    ({ outcome, events } = await runTinyStudy(folder));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("answers by the most, and gives every figure of the others", async () => {
    expect(outcome.training.shots).toBe(2);
    expect(outcome.otherShots.map(({ shots }) => shots)).toEqual([1]);
    const [one] = outcome.otherShots;
    const keyOf = ({ shots: _, ...line }: ResultLine) =>
      JSON.stringify([line.kind, line.arm, line.seed, line.unit, "role" in line && line.role]);
    expect(one!.results.map(keyOf)).toEqual(outcome.results.map(keyOf));
    expect(one!.comparisons.map(({ question, outcome }) => [question, outcome])).toEqual(
      outcome.comparisons.map(({ question, outcome }) => [question, outcome]),
    );
    const lines = await readJsonLines<ResultLine>(join(folder, "run", "results.jsonl"));
    expect(lines).toEqual([...outcome.results, ...one!.results]);
    expect(new Set(lines.map(({ shots }) => shots))).toEqual(new Set([1, 2]));
  });

  it("tests all on the same objects", () => {
    const items = (results: readonly ResultLine[]) =>
      results.flatMap((line) => (line.kind === "classification" ? [line.items] : []));
    expect(items(outcome.otherShots[0]!.results)).toEqual(items(outcome.results));
  });

  it("draws a learning curve of every arm, by photo and by object", async () => {
    expect(outcome.levels).toHaveLength(2 * 2 * 2 * 2); // arms, shots, accuracy and near, photos and objects
    for (const { mean, interval, perSeed } of outcome.levels) {
      expect(perSeed).toHaveLength(2);
      expect(interval!.low).toBeLessThanOrEqual(mean);
    }
    const page = await readFile(await writeReport(join(folder, "run")), "utf8");
    expect(page).toContain('aria-label="Learning curve: Accuracy"');
    expect(page.replaceAll(/data:image[^"]*/g, "").replaceAll(/<script\b.*?<\/script>/gs, "")).not.toMatch(
      /NaN|undefined/,
    );
  });

  it("shares what shots do not change, and tells the rest apart on its lines", async () => {
    const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "run"));
    const ended = events.filter(({ event }) => event === "done" || event === "reused");
    expect(ended).toHaveLength(study.stageCount);
    const made = madeStages(events);
    expect(new Set(made).size).toBe(made.length);
    expect(made.filter((name) => name.startsWith("split"))).toEqual(["split seed 0", "split seed 1"]);
    expect(made.filter((name) => name.startsWith("words"))).toEqual([
      ...["words seed 0, 1 shot", "words seed 0, 2 shots"],
      ...["words seed 1, 1 shot", "words seed 1, 2 shots"],
    ]);
  });

  it("finds at its most shots what a study of these alone finds, to the bit", async () => {
    await writeSettings(folder, { ...settings, split: { ...settings.split, shots: 2 } });
    const alone = await runTinyStudy(folder);
    expect(madeStages(alone.events)).toEqual([]);
    expect(alone.outcome.results).toEqual(outcome.results);
    expect(alone.outcome.comparisons).toEqual(outcome.comparisons);
    expect(alone.outcome.levels).toEqual([]);
  });

  it("answers by fewer where that is configured, and makes nothing but pictures for it", async () => {
    await writeSettings(folder, { ...settings, statistics: { ...settings.statistics, shots: 1 } });
    const fewer = await runTinyStudy(folder);
    expect(fewer.outcome.training.shots).toBe(1);
    expect(fewer.outcome.results).toEqual(outcome.otherShots[0]!.results);
    expect(fewer.outcome.otherShots.map(({ shots }) => shots)).toEqual([2]);
    const kinds = madeStages(fewer.events).map((name) => name.split(" ")[0]);
    expect(new Set(kinds)).toEqual(new Set(["nearness", "feature-map", "audit"]));
  });
});
