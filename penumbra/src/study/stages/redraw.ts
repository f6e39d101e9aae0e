import { join } from "node:path";
import type { Photo } from "../../data/index.ts";
import { loadWords, type Recipe, redraw } from "../../diffusion/index.ts";
import type { RedrawKind } from "../arms/index.ts";
import type { Artifact } from "../store/index.ts";
import { pixelsHash, type StudyContext, withPixels } from "./context.ts";
import type { ModelLoader } from "./model-loader.ts";
import { wordsFile } from "./words.ts";

/** Draws the training photos of a seed again with the words of that seed. */
export function redrawStage(
  context: StudyContext,
  loader: ModelLoader,
  train: readonly Photo[],
  words: Artifact,
  kind: RedrawKind,
  seed: number,
): Promise<Artifact> {
  const { config, store, precision } = context;
  const { steps, guidanceScale, batchSize } = config.redraw;
  const { recipes, variantsPerPhoto } = planOf(context, kind);
  return store.run({
    name: "redraw",
    version: 1,
    label: `${kind}, seed ${seed}`,
    inputs: { words, photos: pixelsHash(context, train), model: loader.model.hash },
    // The batch size is not part of the identity: it changes no image beyond rounding.
    config: { recipes, variantsPerPhoto, steps, guidanceScale, precision },
    seed,
    run: ({ folder, progress }) =>
      withPixels(context, train, loader.model.imageSize, async (pixels) => {
        const lines = await redraw({
          sd: loader.get(),
          words: loadWords(join(words.folder, wordsFile)),
          photos: train,
          pixels,
          recipes,
          variantsPerPhoto,
          steps,
          guidanceScale,
          precision,
          seed,
          folder,
          batchSize,
          onProgress: (done, total) => progress(done, total, "images"),
        });
        return { images: lines.length };
      }),
  });
}

function planOf({ config, classes }: StudyContext, kind: RedrawKind) {
  const { faithful, nearOod } = config.redraw;
  if (kind === "faithful") {
    const recipes: Recipe[] = [{ name: "faithful", kind: "id", strengths: faithful.strengths }];
    return { recipes, variantsPerPhoto: faithful.variants };
  }
  const drift: Recipe = { name: "drift", kind: "near-ood", strengths: nearOod.drift };
  const crossed: Recipe = { name: "crossed", kind: "near-ood", strengths: nearOod.crossed };
  // The word of another class needs another class.
  return { recipes: classes.length > 1 ? [drift, crossed] : [drift], variantsPerPhoto: nearOod.variants };
}
