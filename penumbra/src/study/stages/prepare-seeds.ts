import { decodePhotos, type Manifest, type Photo, type Split } from "../../data/index.ts";
import type { FoundModel } from "../../diffusion/index.ts";
import { drawnSources } from "../config/index.ts";
import { isNeeded, needsJudges, sourceOf } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { decodingOf, type StudyContext } from "./context.ts";
import { imagesStage } from "./images.ts";
import { judgeEncoders } from "./judge-encoders.ts";
import { ModelLoader } from "./model-loader.ts";
import { siftStage } from "./sift.ts";
import { splitStage } from "./split.ts";
import { wordsStage } from "./words.ts";

/** What a seed learns from: its split, and its synthetic images where an arm wants them. */
export interface SeedData {
  readonly seed: number;
  readonly split: Split;
  readonly images: SeedImages;
}

/** The images of a seed, by the sources that some arm names. */
export type SeedImages = Readonly<Record<string, Artifact>>;

/** Splits, decodes, learns words and draws, for every seed; the diffusion model is released afterwards. */
export async function prepareSeeds(
  context: StudyContext,
  manifest: Manifest,
  model: FoundModel | undefined,
): Promise<SeedData[]> {
  const { config, tables, store } = context;
  const splits: { seed: number; split: Split }[] = [];
  for (const seed of config.seeds) splits.push({ seed, split: await splitStage(context, manifest, seed) });
  await store.observe("decode", (progress) => warmCache(context, manifest.photos, progress));
  const names = drawnSources(context);
  const loader = model ? new ModelLoader(model, context.device, context.precision) : null;
  const needsWords = isNeeded("words", names, tables.sources);
  const isJudged = needsJudges(names, tables.sources);
  const seeds: SeedData[] = [];
  for (const { seed, split } of splits) {
    const { train } = split;
    const words = loader && needsWords ? await wordsStage(context, loader, split, seed) : null;
    const images: Record<string, Artifact> = {};
    const judging = { split, encoders: isJudged ? await judgeEncoders(context, split, seed) : [] };
    const inputs = { train, seed, loader, words, judging };
    for (const name of names) {
      const { sifts } = sourceOf(name, tables.sources);
      images[name] =
        sifts === undefined
          ? await imagesStage(context, name, inputs)
          : await siftStage(context, sifts, inputs);
    }
    seeds.push({ seed, split, images });
  }
  loader?.release();
  return seeds;
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
