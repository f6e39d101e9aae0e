import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { byClass, type Photo } from "../../data/index.ts";
import { learnWords, saveWords } from "../../diffusion/index.ts";
import type { Artifact } from "../store/index.ts";
import { pixelsHash, type StudyContext, withPixels } from "./context.ts";
import type { ModelLoader } from "./model-loader.ts";

export const wordsFile = "words.safetensors";

/** Learns one word per class from the training photos of a seed (textual inversion). */
export function wordsStage(
  context: StudyContext,
  loader: ModelLoader,
  train: readonly Photo[],
  seed: number,
): Promise<Artifact> {
  const { config, store, precision } = context;
  const { steps, batchSize, learningRate, initToken } = config.words;
  return store.run({
    name: "words",
    version: 1,
    label: `seed ${seed}`,
    inputs: { photos: pixelsHash(context, train), model: loader.model.hash },
    config: { steps, batchSize, learningRate, initToken, precision },
    seed,
    run: ({ folder, scratch, progress }) =>
      withPixels(context, train, loader.model.imageSize, async (pixels) => {
        const places = new Map(train.map((photo, index) => [photo.id, index]));
        const classes = [...byClass(train)].map(([name, objects]) => {
          const rows = [...objects.values()].flat().map(({ id }) => places.get(id) ?? 0);
          return { name, images: pixels.indexSelect(0, torch.tensor(rows, { dtype: "int64" })) };
        });
        const words = await learnWords(loader.get(), {
          classes,
          steps,
          batchSize,
          learningRate,
          initToken,
          seed,
          precision,
          checkpointFolder: scratch,
          onProgress: (done, total) => progress(done, total, "steps"),
        });
        saveWords(words, join(folder, wordsFile));
        return { classes: classes.length };
      }),
  });
}
