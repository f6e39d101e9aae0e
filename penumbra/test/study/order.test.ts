import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { loadConfig, planStudy, runStudy } from "../../src/study/index.ts";
import { contentsOf, makeTinyStudy, tinySettings, writeSettings } from "./tiny-study.ts";

vi.setConfig({ testTimeout: 300_000 });

it("is the same study with arms, seeds and recipes in another order: no bit of what it makes changes", async () => {
  const arms = ["cross-entropy", "supcon+near-ood", "supcon+both"];
  const detectors = ["msp", "knn", "mahalanobis"];
  const { recipes } = tinySettings.redraw;
  const settings = { ...tinySettings, arms, detectors };
  const folder = await makeTinyStudy(settings);
  const run = async (name: string) => {
    const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, name));
    const { results } = await runStudy(study);
    return results.map((line) => JSON.stringify(line)).sort();
  };
  try {
    const one = await run("one");
    await writeSettings(folder, {
      ...settings,
      ...{ arms: arms.toReversed(), seeds: tinySettings.seeds.toReversed() },
      redraw: { ...tinySettings.redraw, recipes: Object.fromEntries(Object.entries(recipes).toReversed()) },
    });
    expect(await run("other")).toEqual(one);
    const made = async (name: string) =>
      // A map is a picture of the first seed that is named.
      [...(await contentsOf(join(folder, name)))].filter(([file]) => !file.startsWith("feature-map"));
    const [expected, found] = [await made("one"), new Map(await made("other"))];
    expect([...found.keys()]).toEqual(expected.map(([file]) => file));
    for (const [file, bytes] of expected) expect(found.get(file)!.equals(bytes), file).toBe(true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
