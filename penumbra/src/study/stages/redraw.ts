import { join } from "node:path";
import type { Photo } from "../../data/index.ts";
import {
  chosenSampler,
  defaultSampler,
  loadWords,
  type RedrawKind,
  readySampler,
  recipesOf,
  redraw,
} from "../../diffusion/index.ts";
import type { Artifact } from "../store/index.ts";
import { pixelsHash, type StudyContext, withPixels } from "./context.ts";
import type { ModelLoader } from "./model-loader.ts";
import { WORDS_FILE } from "./words.ts";

/** Draws the training photos of a seed again with the words of that seed. */
export function redrawStage(
  context: StudyContext,
  loader: ModelLoader,
  train: readonly Photo[],
  words: Artifact,
  kind: RedrawKind,
  seed: number,
): Promise<Artifact> {
  const { config, store, precision, classes } = context;
  const { samplers, steps, guidanceScale, batchSize } = config.redraw;
  const name = config.redraw.sampler ?? defaultSampler(loader.model.schedulerConfig).name;
  const settings = {
    recipes: recipesOf(kind, config.redraw.recipes, classes.length),
    sampler: readySampler(chosenSampler(name, samplers)).choice,
    steps,
    guidanceScale,
    precision,
  };
  return store.run({
    name: "redraw",
    version: 2,
    label: `${kind}, seed ${seed}`,
    inputs: { words, photos: pixelsHash(context, train), model: loader.model.hash },
    // The batch size is not part of the identity: it changes no image beyond rounding.
    config: settings,
    seed,
    run: ({ folder, progress }) =>
      withPixels(context, train, loader.model.imageSize, async (pixels) => {
        const lines = await redraw({
          ...settings,
          sd: loader.get(),
          words: loadWords(join(words.folder, WORDS_FILE)),
          photos: train,
          pixels,
          seed,
          folder,
          batchSize,
          onProgress: (done, total) => progress(done, total, "images"),
        });
        return { images: lines.length };
      }),
  });
}
