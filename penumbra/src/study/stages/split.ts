import { join } from "node:path";
import { type Manifest, type Photo, type Split, type SplitName, splitByObject } from "../../data/index.ts";
import { readJson, writeFileAtomic } from "../../files/index.ts";
import { largestShots } from "../config/index.ts";
import { photosHash, type StudyContext } from "./context.ts";

export const splitNames = [
  "train",
  "validation",
  "test",
  "nearValidation",
  "nearTest",
  "farTest",
] as const satisfies readonly SplitName[];

/** Which photos a seed learns from, chooses by and reports on, with the most training objects that the study wants. */
export async function splitStage(context: StudyContext, manifest: Manifest, seed: number): Promise<Split> {
  // Fewer shots are a part of it: their test is the same.
  const settings = { ...context.config.split, shots: largestShots(context.config) };
  const artifact = await context.store.run({
    name: "split",
    version: 2,
    label: `seed ${seed}`,
    inputs: { photos: photosHash(manifest.photos) },
    config: settings,
    seed,
    run: async ({ folder }) => {
      const split = splitByObject(manifest, { ...settings, seed });
      const ids = Object.fromEntries(splitNames.map((name) => [name, split[name].map(({ id }) => id)]));
      await writeFileAtomic(join(folder, "split.json"), `${JSON.stringify(ids, null, 1)}\n`);
      return Object.fromEntries(splitNames.map((name) => [name, split[name].length]));
    },
  });
  const ids = await readJson<Record<SplitName, string[]>>(join(artifact.folder, "split.json"));
  const byId = new Map(manifest.photos.map((photo) => [photo.id, photo]));
  const photosOf = (name: SplitName): Photo[] =>
    ids[name].map((id) => {
      const photo = byId.get(id);
      if (!photo) throw new Error(`${artifact.folder} names the photo ${id}, which the scan did not find.`);
      return photo;
    });
  return {
    train: photosOf("train"),
    validation: photosOf("validation"),
    test: photosOf("test"),
    nearValidation: photosOf("nearValidation"),
    nearTest: photosOf("nearTest"),
    farTest: photosOf("farTest"),
  };
}
