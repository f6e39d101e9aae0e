import { rm } from "node:fs/promises";
import { join } from "node:path";
import { rand, safetensors } from "@penumbra/torch";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { scanPhotos } from "../../../src/data/index.ts";
import { findModel, loadWords, wordToken } from "../../../src/diffusion/index.ts";
import { settleImages } from "../../../src/study/config/index.ts";
import { parseSettings, TABLES } from "../../../src/study/index.ts";
import { prepareSeeds, type StudyContext, wordsCurveOf } from "../../../src/study/stages/index.ts";
import { StageStore } from "../../../src/study/store/index.ts";
import { makeTinyStudy, tinySettings } from "../tiny-study.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const settings = {
  ...{ ...tinySettings, arms: ["supcon", "supcon+faithful"] },
  redraw: { ...tinySettings.redraw, recipes: { faithful: { strengths: [0.25], variants: 1 } } },
};

let folder = "";
beforeAll(async () => {
  folder = await makeTinyStudy(settings);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function prepare(words: object) {
  const config = settleImages(parseSettings({ ...settings, words }, "test"), null);
  const manifest = await scanPhotos(join(folder, "photos"), {});
  const context: StudyContext = {
    ...{ config, tables: TABLES, folder, root: manifest.root, white: manifest.white },
    ...{ classes: manifest.classes, photos: manifest.photos, store: new StageStore(join(folder, "run")) },
    ...{ cacheFolder: join(folder, "cache"), device: "cpu", precision: "fp32", weights: null },
  };
  const model = await findModel(config.model, { base: folder });
  return { classes: manifest.classes, seeds: await prepareSeeds(context, manifest, model) };
}

it("words that are there already serve all seeds, and are in the identity of what is drawn under them", async () => {
  const { classes, seeds: learned } = await prepare(tinySettings.words);
  const embeds = (seed: number) =>
    Object.fromEntries(classes.map((name, k) => [wordToken(name), rand([16]).add(k + seed)]));
  const write = (name: string, words: ReturnType<typeof embeds>) =>
    safetensors.write(join(folder, name), words, { format: "pt" });
  const own = embeds(0);
  write("learned_embeds.safetensors", own);
  write("others.safetensors", embeds(1));
  const { seeds } = await prepare({ from: "learned_embeds.safetensors" });
  const [first, second] = seeds.map(({ words }) => words!);
  expect(second!.hash).toBe(first!.hash);
  expect(first!.manifest.notes).toMatchObject({ from: [{ file: "learned_embeds.safetensors" }] });
  const { words, modelHash } = loadWords(join(first!.folder, "words.safetensors"));
  expect(modelHash).toBe(loadWords(join(learned[0]!.words!.folder, "words.safetensors")).modelHash);
  for (const { token, vector } of words) expect(vector.tolist()).toEqual(own[token]!.tolist());
  const others = await prepare({ from: ["others.safetensors"] });
  const drawn = [learned, seeds, others.seeds].map(([seed]) => seed!.images.faithful!.hash);
  expect(new Set(drawn).size).toBe(3);
  await expect(prepare({ from: "nowhere.safetensors" })).rejects.toThrow(
    /no words at .*nowhere.*"words.from"/,
  );
  safetensors.write(join(folder, "few.safetensors"), { "<stranger>": rand([16]) });
  await expect(prepare({ from: "few.safetensors" })).rejects.toThrow(/no word for the class .*<stranger>/);
});

it("looks at validation photos are kept as a curve, with the step whose words these are", async () => {
  const looks = { ...tinySettings.words, evaluation: { every: 1, keep: "best" } };
  const [seed] = (await prepare(looks)).seeds;
  const curve = await wordsCurveOf(seed!.words!, 0);
  expect(curve!.looks.map(({ step }) => step)).toEqual([1, 2]);
  const least = curve!.looks.reduce((best, look) => (look.heldOut < best.heldOut ? look : best));
  expect(curve!.keptStep).toBe(least.step);
  const [plain] = (await prepare(tinySettings.words)).seeds;
  expect(await wordsCurveOf(plain!.words!, 0)).toBeNull();
});
