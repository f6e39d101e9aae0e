import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { safetensors } from "@penumbra/torch";
import { stringify } from "yaml";
import { ResNet } from "../../src/models/index.ts";
import type { Outcome } from "../../src/results/index.ts";
import { loadConfig, planStudy, runStudy, type StageEvent } from "../../src/study/index.ts";
import { type PhotoPlan, writePhotos } from "./photos.ts";
import { saveTinyModel } from "./tiny-model.ts";

/** Settings of a whole study that takes seconds: 16 px, a handful of steps everywhere. */
export const tinySettings = {
  name: "tiny",
  photos: "photos",
  model: "model",
  imageSize: 16,
  seeds: [0, 1],
  split: { shots: 2, validation: 1, test: 2 },
  words: { steps: 2, batchSize: 1 },
  redraw: {
    steps: 4,
    guidanceScale: 2,
    batchSize: 8,
    recipes: {
      faithful: { strengths: [0.25, 0.5], variants: 1 },
      drift: { strengths: [0.75], variants: 1 },
      crossed: { strengths: [0.5], variants: 1 },
    },
  },
  encoder: { width: 8, steps: 4, batchSize: 6, negatives: 4 },
  objectives: { supcon: { projection: 8 } },
  probe: { l2: [0.01, 0.1] },
  tuning: { knn: { k: [1, 3] } },
  statistics: { bootstrap: 50 },
  device: "cpu",
  precision: "fp32",
  threads: 1,
};

export type TinySettings = typeof tinySettings;

/** A folder with photos, a model of random weights and a study.yaml; returns the folder. */
export async function makeTinyStudy(settings: object = tinySettings, plan: PhotoPlan = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "penumbra-study-"));
  await writePhotos(join(folder, "photos"), plan);
  await mkdir(join(folder, "model"), { recursive: true });
  saveTinyModel(join(folder, "model"));
  await writeSettings(folder, settings);
  return folder;
}

/** Published weights of a small ResNet-10 in a folder, drawn from a seed. */
export async function writeWeights(folder: string, seed: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  torch.manualSeed(seed);
  safetensors.write(join(folder, "model.safetensors"), new ResNet({ depth: 10, width: 8 }).stateDict());
}

export function writeSettings(folder: string, settings: object): Promise<void> {
  return writeFile(join(folder, "study.yaml"), stringify(settings));
}

/** Runs the study of a folder in this process; returns what it found and what it told. */
export async function runTinyStudy(folder: string): Promise<{ outcome: Outcome; events: StageEvent[] }> {
  const events: StageEvent[] = [];
  const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "run"));
  const outcome = await runStudy(study, { onEvent: (event) => events.push(event) });
  return { outcome, events };
}

/** Names and labels of the stages that were made, not found. */
export function madeStages(events: readonly StageEvent[]): string[] {
  return events
    .filter((event) => event.event === "done" && event.hash !== "")
    .map(({ stage, label }) => `${stage} ${label}`.trim());
}

/** Files that say when they were made, and how long it took: of artifacts, and of generators that were trained. */
const TIMED = /(manifest|training|generator)\.json$|README\.md$|log\.jsonl$/;

/** What the artifacts of a run hold, without their times. */
export async function contentsOf(run: string): Promise<Map<string, Buffer>> {
  const folder = join(run, "artifacts");
  const names = await readdir(folder, { recursive: true });
  const files = names.filter((name) => !TIMED.test(name));
  const contents = new Map<string, Buffer>();
  for (const name of files.sort()) {
    const path = join(folder, name);
    if ((await stat(path)).isFile()) contents.set(name, await readFile(path));
  }
  return contents;
}
