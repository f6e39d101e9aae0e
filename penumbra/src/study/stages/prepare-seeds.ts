import { decodePhotos, type Manifest, type Photo, type Split, withShots } from "../../data/index.ts";
import type { FoundModel } from "../../diffusion/index.ts";
import { drawnSources, shotsOf } from "../config/index.ts";
import { isNeeded, needsJudges, sourceOf } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { decodingOf, type StudyContext } from "./context.ts";
import { imagesStage, type SeedImages } from "./images.ts";
import { judgeEncoders } from "./judge-encoders.ts";
import { ModelLoader } from "./model-loader.ts";
import { siftStage } from "./sift.ts";
import { splitStage } from "./split.ts";
import { unlearnedImages } from "./unlearned.ts";
import { wordsStage } from "./words.ts";

/** The photos of a seed with a number of shots. */
export interface SeedSplit {
  readonly seed: number;
  readonly shots: number;
  readonly split: Split;
}

/** What a seed learns from: its split, and its synthetic images where an arm wants them. */
export interface SeedData extends SeedSplit {
  readonly images: SeedImages;
  /** Images that no arm learns from, by their sources. */
  readonly unlearned: SeedImages;
  /** Null where no source needs any. */
  readonly words: Artifact | null;
}

/** Splits, decodes, learns words and draws, for every seed and number of shots; see {@link prepareSeed}. */
export async function prepareSeeds(
  context: StudyContext,
  manifest: Manifest,
  model: FoundModel | undefined,
  isAsked = true,
): Promise<SeedData[]> {
  const splits = await splitSeeds(context, manifest);
  await decodeAll(context, manifest);
  return prepareAll(context, splits, model, isAsked);
}

/** Learns the words and draws the images of every seed and number of shots; the model is released afterwards. */
export async function prepareAll(
  context: StudyContext,
  splits: readonly SeedSplit[],
  model: FoundModel | undefined,
  isAsked = true,
): Promise<SeedData[]> {
  const loader = loaderOf(context, model);
  const seeds: SeedData[] = [];
  for (const split of splits) seeds.push(await prepareSeed(context, split, loader, isAsked));
  loader?.release();
  return seeds;
}

/** The photos of every seed with every number of shots: fewer are among more, and the test is the same. */
export async function splitSeeds(context: StudyContext, manifest: Manifest): Promise<SeedSplit[]> {
  const splits: SeedSplit[] = [];
  for (const seed of context.config.seeds) {
    const split = await splitStage(context, manifest, seed);
    splits.push(...shotsOf(context.config).map((shots) => ({ seed, shots, split: withShots(split, shots) })));
  }
  return splits;
}

/** Decodes all photos into the cache. */
export async function decodeAll(context: StudyContext, manifest: Manifest): Promise<void> {
  await context.store.observe("decode", (progress) => warmCache(context, manifest.photos, progress));
}

/** What loads the diffusion model when it is first needed; null where there is none. */
export function loaderOf(context: StudyContext, model: FoundModel | undefined): ModelLoader | null {
  return model ? new ModelLoader(model, context.device, context.precision) : null;
}

/** The context of what is made for a seed: stages are told apart by their shots where there are several. */
export function contextOf(context: StudyContext, { shots }: Pick<SeedSplit, "shots">): StudyContext {
  return shotsOf(context.config).length === 1 ? context : { ...context, shots };
}

/**
 * Learns the words of a seed and draws its images, as far as some arm wants them.
 * @param isAsked whether arms will be asked about images that they have not learned from, which are then drawn too
 */
export async function prepareSeed(
  study: StudyContext,
  own: SeedSplit,
  loader: ModelLoader | null,
  isAsked = true,
): Promise<SeedData> {
  const context = contextOf(study, own);
  const { tables } = context;
  const { seed, split } = own;
  const names = drawnSources(context);
  const needsWords = isNeeded("words", names, tables.sources);
  const isJudged = needsJudges(names, tables.sources);
  const words = loader && needsWords ? await wordsStage(context, loader, split, seed) : null;
  const images: Record<string, Artifact> = {};
  const judging = { split, encoders: isJudged ? await judgeEncoders(context, split, seed) : [] };
  const inputs = { train: split.train, seed, loader, words, judging };
  for (const name of names) {
    const { sifts } = sourceOf(name, tables.sources);
    images[name] =
      sifts === undefined
        ? await imagesStage(context, name, inputs)
        : await siftStage(context, sifts, inputs);
  }
  const unlearned = isAsked ? await unlearnedImages(context, split.validation, inputs) : {};
  return { ...own, images, unlearned, words };
}

/** Decodes photos into the cache, a few hundred at a time: their pixels never lie in memory all at once. */
async function warmCache(
  context: StudyContext,
  photos: readonly Photo[],
  progress: (done: number, total: number, unit: string) => void,
): Promise<void> {
  const decoding = decodingOf(context, context.config.imageSize);
  const chunk = 256;
  for (let start = 0; start < photos.length; start += chunk) {
    const pixels = await decodePhotos(context.root, photos.slice(start, start + chunk), decoding);
    pixels.dispose();
    progress(Math.min(start + chunk, photos.length), photos.length, "photos");
  }
}
