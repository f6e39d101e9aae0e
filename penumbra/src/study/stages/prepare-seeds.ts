import { decodePhotos, type Manifest, type Photo, type Split } from "../../data/index.ts";
import type { FoundModel, RedrawKind } from "../../diffusion/index.ts";
import { redrawKinds } from "../arms/index.ts";
import type { Artifact } from "../store/index.ts";
import { decodingOf, type StudyContext } from "./context.ts";
import { ModelLoader } from "./model-loader.ts";
import { redrawStage } from "./redraw.ts";
import { splitStage } from "./split.ts";
import { wordsStage } from "./words.ts";

/** What a seed learns from: its split, and its synthetic images where an arm wants them. */
export interface SeedData {
  readonly seed: number;
  readonly split: Split;
  readonly redraws: SeedRedraws;
}

/** The redraws of a seed, of the kinds that some arm wants. */
export type SeedRedraws = Readonly<Partial<Record<RedrawKind, Artifact>>>;

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
  if (!model) return splits.map((seed) => ({ ...seed, redraws: {} }));
  const loader = new ModelLoader(model, context.device);
  const kinds = redrawKinds(config.arms, tables.arms);
  const seeds: SeedData[] = [];
  for (const { seed, split } of splits) {
    const words = await wordsStage(context, loader, split.train, seed);
    const redraws: Partial<Record<RedrawKind, Artifact>> = {};
    for (const kind of kinds) {
      redraws[kind] = await redrawStage(context, loader, split.train, words, kind, seed);
    }
    seeds.push({ seed, split, redraws });
  }
  loader.release();
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
