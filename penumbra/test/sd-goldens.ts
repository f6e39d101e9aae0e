// The goldens of Stable Diffusion: which kind a case is, is told by its tensors; its model is the folder whose name it begins with.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "vitest";
import { type Golden, goldenFolder, goldens } from "./goldens.ts";

const folder = join(goldenFolder, "sd");

/** The tokenizer that the tiny models share. */
export const tokenizerFolder = join(folder, "tokenizer");

/** Tiny models of every pipeline, in diffusers' layout. */
const allModels: readonly string[] = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => existsSync(join(folder, name, "model_index.json")))
      .sort()
      .map((name) => join(folder, name))
  : [];

function pipelineOf(model: string): string {
  return JSON.parse(readFileSync(join(model, "model_index.json"), "utf8"))._class_name;
}

const STABLE_DIFFUSION = "StableDiffusionPipeline";

/** The folders of tiny models of one of diffusers' pipelines. */
export function tinyModelsOf(pipeline: string): readonly string[] {
  return allModels.filter((model) => pipelineOf(model) === pipeline);
}

/** The folders of Stable Diffusion's tiny models. */
export const tinyModels = tinyModelsOf(STABLE_DIFFUSION);

/** The model that a case was made with. */
export function modelOf(golden: Golden): string {
  const candidates = allModels.filter((path) => golden.name.startsWith(path.slice(folder.length + 1)));
  const model = candidates.sort((a, b) => b.length - a.length)[0];
  if (!model) throw new Error(`No model folder in ${folder} belongs to the golden ${golden.name}.`);
  return model;
}

/**
 * Registers one test for each case of a pipeline's models that has the given tensor, and that `isWanted` lets through;
 * one skipped test where there is none.
 */
export function eachSdGolden(
  tensorName: string,
  body: (golden: Golden, model: string) => void,
  isWanted: (golden: Golden) => boolean = () => true,
  pipeline = STABLE_DIFFUSION,
): void {
  const isOfPipeline = (golden: Golden) =>
    allModels.some((model) => golden.name.startsWith(basename(model)))
      ? pipelineOf(modelOf(golden)) === pipeline
      : pipeline === STABLE_DIFFUSION;
  const cases = goldens("sd").filter(
    (golden) => isOfPipeline(golden) && isWanted(golden) && Object.hasOwn(golden.tensors, tensorName),
  );
  if (cases.length === 0) test.skip(`no golden with "${tensorName}" in ${folder}`, () => {});
  for (const golden of cases) test(`agrees with sd/${golden.name}`, () => body(golden, modelOf(golden)));
}

/** A tensor that the case must have. */
export function need(golden: Golden, name: string) {
  const found = golden.tensors[name];
  if (!found) throw new Error(`The golden ${golden.name} has no tensor "${name}".`);
  return found;
}
