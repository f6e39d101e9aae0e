import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { tensor } from "@penumbra/torch";
import { z } from "zod";
import { groupBy } from "../../data/index.ts";
import {
  checkWords,
  findModel,
  learnWords,
  loadWords,
  RecipesSettings,
  recipesOf,
  redraw,
  StableDiffusion,
  saveWords,
  type Words,
} from "../../diffusion/index.ts";
import type { Drawer, DrawerRequest, Hand } from "../draw/drawer.ts";
import { progressLines } from "../trainer/progress-lines.ts";

/** What a study's `words` and `redraw` sections are called there. */
const Settings = z.strictObject({
  seed: z.int().nonnegative().default(0),
  device: z.string().default("cpu"),
  precision: z.enum(["auto", "fp32", "bf16", "fp16"]).default("auto"),
  steps: z.int().positive().default(1000).describe("Steps in which the words are learned."),
  batchSize: z.int().positive().default(4).describe("Photos of each class at each step."),
  learningRate: z.number().positive().default(2e-3),
  drawSteps: z
    .int()
    .positive()
    .default(20)
    .describe("Denoising steps at strength 1; a strength s takes about s of them."),
  guidanceScale: z.number().min(1).default(5).describe("How strongly the word pulls; 1 = off."),
});

/** Words for the classes of photos, learned with a Stable Diffusion; photos are redrawn with them. */
export const wordsArtist: Drawer = {
  settings: Settings,
  hand: async (request) => {
    const { out, onLine = () => {}, signal, photos, seed } = request;
    const settings = Settings.parse(request.settings);
    const { guidanceScale, drawSteps: steps, device, precision } = settings;
    const found = await findModel(request.model ?? "penumbra-mini", {
      ...{ base: process.cwd(), guidanceScale, onNote: onLine },
    });
    const sd = StableDiffusion.load(found.path, { device });
    const words = await wordsIn(out, sd, settings, request);
    if (words === null) return null;
    const classes = new Set(photos.map(({ className }) => className)).size;
    // Boundary redraws need a judge, which a study trains.
    const recipes = RecipesSettings.parse({ boundary: { variants: 0 } });
    const of = (kind: Parameters<Hand["ways"]>[0]) => recipesOf(kind, recipes, classes);
    return {
      imageSize: sd.imageSize,
      hash: sd.hash,
      ways: (kind) => of(kind).map(({ name }) => name),
      draw: (requests, pixels, onProgress) =>
        redraw({
          ...{ sd, words, photos, pixels, seed, folder: out, steps, guidanceScale, precision, onProgress },
          ...(signal && { signal }),
          recipes: [...of("faithful"), ...of("near-ood")],
          requests: requests.map(({ way, photo, variant }) => ({ recipe: way, photo, variant })),
        }),
    };
  },
};

/** The words that lie in the folder, learned now where there are none; null when the signal ended that. */
async function wordsIn(
  out: string,
  sd: StableDiffusion,
  { steps, batchSize, learningRate, precision }: z.output<typeof Settings>,
  { photos, decode, seed, signal, onLine = () => {}, onProgress }: DrawerRequest,
): Promise<Words | null> {
  const path = join(out, "words.safetensors");
  if (existsSync(path)) {
    const words = loadWords(path);
    checkWords(words, sd.hash);
    return words;
  }
  const pixels = await decode(sd.imageSize);
  const places = groupBy([...photos.keys()], (place) => photos[place]!.className);
  const classes = [...places].map(([name, own]) => ({
    name,
    images: pixels.indexSelect(0, tensor(own, { dtype: "int64" })),
  }));
  onLine(`latent-diffusion: learns words for ${classes.length} classes in ${steps} steps`);
  const tell = progressLines(onLine, "latent-diffusion", "steps");
  try {
    const words = await learnWords(sd, {
      ...{ classes, steps, batchSize, learningRate, precision, seed },
      checkpointFolder: join(out, "words.work"),
      onProgress: (done, total) => {
        signal?.throwIfAborted();
        onProgress?.(done, total);
        tell(done, total);
      },
    });
    await mkdir(out, { recursive: true });
    saveWords(words, path);
    return words;
  } catch (error) {
    if (signal?.aborted) return null;
    throw error;
  } finally {
    for (const { images } of classes) images.dispose();
    pixels.dispose();
  }
}
