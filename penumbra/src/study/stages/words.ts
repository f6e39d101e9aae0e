import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { cat, scope, type Tensor, tensor } from "@penumbra/torch";
import { byClass, type Photo, type Split } from "../../data/index.ts";
import {
  type ClassPhotos,
  checkDimensions,
  DiffusionError,
  fillTemplate,
  importWords,
  learnWords,
  PLAIN_TEMPLATE,
  type StableDiffusion,
  saveWords,
  textToImage,
  type Word,
  type Words,
} from "../../diffusion/index.ts";
import { readJsonLines, writeJsonLines } from "../../files/index.ts";
import { contactSheet, encodePng } from "../../images/index.ts";
import type { WordsCurve } from "../../results/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, pixelsHash, type StudyContext, withPixels } from "./context.ts";
import type { ModelLoader } from "./model-loader.ts";

export const WORDS_FILE = "words.safetensors";

/** The words of a seed: learned from its training photos (textual inversion), or those that the configuration names. */
export async function wordsStage(
  context: StudyContext,
  loader: ModelLoader,
  split: Pick<Split, "train" | "validation">,
  seed: number,
): Promise<Artifact> {
  const given = await givenWords(context.config, context);
  return given ? importedWords(context, loader, given) : learnedWords(context, loader, split, seed);
}

/** Words that the configuration names, and the files that they came from; null where it names none. */
export interface GivenWords {
  readonly words: readonly Word[];
  readonly files: readonly string[];
  readonly from: readonly { readonly file: string; readonly hash: string }[];
}

/**
 * The words that `words.from` names.
 * @throws DiffusionError for a file that is not there, and as `importWords` does
 */
export async function givenWords(
  { words: { from = [] } }: Pick<StudyContext["config"], "words">,
  { folder, classes }: Pick<StudyContext, "folder" | "classes">,
): Promise<GivenWords | null> {
  const files = [from].flat().map((file) => resolve(folder, file));
  if (files.length === 0) return null;
  const hashes = await Promise.all(
    files.map(async (file) => {
      const bytes = await readFile(file).catch(() => {
        throw new DiffusionError(
          `There are no words at ${file}. Correct "words.from", or leave it out to learn some.`,
        );
      });
      return { file: basename(file), hash: createHash("sha256").update(bytes).digest("hex") };
    }),
  );
  return { words: importWords(files, classes), files, from: hashes };
}

/** The same words for all seeds; the photos that they were learned from are not known here. */
function importedWords(
  { store, classes }: StudyContext,
  loader: ModelLoader,
  { files, from }: GivenWords,
): Promise<Artifact> {
  return store.run({
    name: "words",
    version: 3,
    label: "imported",
    inputs: {
      model: loader.model.hash,
      ...Object.fromEntries(from.map(({ hash }, place) => [`file${place}`, hash])),
    },
    config: { classes },
    run: async ({ folder }) => {
      const sd = loader.get();
      const words = importWords(files, classes, sd.hash);
      checkDimensions(words, sd.textEncoder.config.hidden_size);
      saveWords({ words, modelHash: sd.hash }, join(folder, WORDS_FILE));
      return { classes: words.length, from };
    },
  });
}

/** Learns one word per class. */
function learnedWords(
  context: StudyContext,
  loader: ModelLoader,
  { train, validation }: Pick<Split, "train" | "validation">,
  seed: number,
): Promise<Artifact> {
  const { config, store, precision } = context;
  // Neither changes more than rounding.
  const { gradientCheckpointing, samplesAtOnce, from: _, ...words } = config.words;
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
/** How learning the words of a seed went by its looks; null where there were none. */
export async function wordsCurveOf(artifact: Artifact, seed: number): Promise<WordsCurve | null> {
  const { files, notes } = artifact.manifest;
  if (!(LOOKS_FILE in files)) return null;
  const looks = await readJsonLines<WordsCurve["looks"][number]>(join(artifact.folder, LOOKS_FILE));
  return { seed, looks, keptStep: (notes as { steps: number }).steps };
}

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
