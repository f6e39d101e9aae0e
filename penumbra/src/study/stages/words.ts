import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cat, scope, type Tensor, tensor } from "@penumbra/torch";
import { byClass, type Photo, type Split } from "../../data/index.ts";
import {
  type ClassPhotos,
  fillTemplate,
  learnWords,
  PLAIN_TEMPLATE,
  type StableDiffusion,
  saveWords,
  textToImage,
  type Words,
} from "../../diffusion/index.ts";
import { writeJsonLines } from "../../files/index.ts";
import { contactSheet, encodePng } from "../../images/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, pixelsHash, type StudyContext, withPixels } from "./context.ts";
import type { ModelLoader } from "./model-loader.ts";

export const WORDS_FILE = "words.safetensors";

/** Learns one word per class from the training photos of a seed (textual inversion). */
export function wordsStage(
  context: StudyContext,
  loader: ModelLoader,
  { train, validation }: Pick<Split, "train" | "validation">,
  seed: number,
): Promise<Artifact> {
  const { config, store, precision } = context;
  // Neither changes more than rounding.
  const { gradientCheckpointing, samplesAtOnce, ...words } = config.words;
  const settings = { ...words, precision };
  const heldOut = words.evaluation.every > 0 ? validation : [];
  return store.run({
    name: "words",
    version: 2,
    label: labelOf(context, seed),
    inputs: {
      photos: pixelsHash(context, train),
      model: loader.model.hash,
      ...(heldOut.length > 0 && { heldOut: pixelsHash(context, heldOut) }),
    },
    config: settings,
    seed,
    run: ({ folder, scratch, progress }) =>
      withPixels(context, [...train, ...heldOut], loader.model.imageSize, async (pixels) => {
        const classes = photosByClass(train, pixels);
        const { length } = train;
        const rest = scope(() => pixels.narrow(0, length, heldOut.length));
        const words = await learnWords(loader.get(), {
          ...settings,
          ...{ classes, seed, gradientCheckpointing, chunkSize: samplesAtOnce },
          heldOut: photosByClass(heldOut, rest),
          checkpointFolder: scratch,
          onProgress: (done, total) => progress(done, total, "steps"),
          onPreview: (step, learned) =>
            writePreview(loader.get(), learned, join(folder, "previews", `step-${step}.png`), context),
        });
        saveWords(words, join(folder, WORDS_FILE));
        if (words.looks.length > 0) await writeJsonLines(join(folder, LOOKS_FILE), words.looks);
        return { classes: classes.length, steps: words.step };
      }),
  });
}

/** Losses of training and held-out photos, a line for each look. */
const LOOKS_FILE = "looks.jsonl";
/** Images of each word in a preview. */
const PREVIEWS = 4;

/** A sheet of what the words draw as they are: a row for each class, the same seeds every time. */
async function writePreview(
  sd: StableDiffusion,
  { words }: Words,
  path: string,
  { config, precision }: StudyContext,
): Promise<void> {
  const { steps, guidanceScale } = config.redraw;
  await mkdir(dirname(path), { recursive: true });
  await scope(async () => {
    const rows = words.map(({ token }) =>
      textToImage(sd, {
        prompts: Array<string>(PREVIEWS).fill(fillTemplate(PLAIN_TEMPLATE, token)),
        seeds: Array.from({ length: PREVIEWS }, (_, seed) => seed),
        ...{ words, steps, guidanceScale, precision },
      }),
    );
    await encodePng(contactSheet(cat(rows), { columns: PREVIEWS }), path);
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
