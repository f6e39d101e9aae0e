import { join } from "node:path";
import { type Tensor, tensor } from "@penumbra/torch";
import { byClass, type Photo } from "../../data/index.ts";
import { type ClassPhotos, learnWords, saveWords } from "../../diffusion/index.ts";
import type { Artifact } from "../store/index.ts";
import { pixelsHash, type StudyContext, withPixels } from "./context.ts";
import type { ModelLoader } from "./model-loader.ts";

export const WORDS_FILE = "words.safetensors";

/** Learns one word per class from the training photos of a seed (textual inversion). */
export function wordsStage(
  context: StudyContext,
  loader: ModelLoader,
  train: readonly Photo[],
  seed: number,
): Promise<Artifact> {
  const { config, store, precision } = context;
  const settings = { ...config.words, precision };
  return store.run({
    name: "words",
    version: 1,
    label: `seed ${seed}`,
    inputs: { photos: pixelsHash(context, train), model: loader.model.hash },
    config: settings,
    seed,
    run: ({ folder, scratch, progress }) =>
      withPixels(context, train, loader.model.imageSize, async (pixels) => {
        const classes = photosByClass(train, pixels);
        const words = await learnWords(loader.get(), {
          ...settings,
          classes,
          seed,
          checkpointFolder: scratch,
          onProgress: (done, total) => progress(done, total, "steps"),
        });
        saveWords(words, join(folder, WORDS_FILE));
        return { classes: classes.length };
      }),
  });
}

/** The photos of each class, an object's views beside each other. */
function photosByClass(train: readonly Photo[], pixels: Tensor): ClassPhotos[] {
  const rowOf = new Map(train.map((photo, row) => [photo, row]));
  return [...byClass(train)].map(([name, objects]) => {
    const rows = [...objects.values()].flat().map((photo) => rowOf.get(photo)!); // each is of `train`
    return { name, images: pixels.indexSelect(0, tensor(rows, { dtype: "int64" })) };
  });
}
