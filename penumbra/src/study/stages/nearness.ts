import { join } from "node:path";
import { safetensors, scope, stack, type Tensor } from "@penumbra/torch";
import { extractFeatures } from "../../contrast/index.ts";
import { groupBy, type Split } from "../../data/index.ts";
import { readJson, writeFileAtomic } from "../../files/index.ts";
import { qualityOf } from "../../generators/index.ts";
import { type ImageQuality, mean, type NearnessRow } from "../../results/index.ts";
import { detectors, thresholdAtRecall } from "../../unknowns/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, labelsOf, photosHash, type StudyContext } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { featuresFile } from "./features.ts";
import { loadImages } from "./load-images.ts";

const nearnessFile = "nearness.json";
/** Share of the known validation photos that count as known: the usual operating point. */
const recall = 0.95;

/**
 * How many redraws still look known to an encoder that was trained on real photos alone: their Mahalanobis score is
 * above the one that 95 % of the known validation photos reach. Near-OOD redraws that do are contaminated negatives;
 * faithful ones that do not have lost their class.
 */
export function nearnessStage(
  context: StudyContext,
  split: Split,
  {
    encoder,
    features,
    redraws,
    seed,
  }: {
    encoder: Artifact;
    features: Artifact;
    redraws: readonly { readonly source: string; readonly artifact: Artifact }[];
    seed: number;
  },
): Promise<Artifact> {
  const { config, store, classes, device } = context;
  return store.run({
    name: "nearness",
    version: 3,
    label: labelOf(context, seed),
    inputs: {
      encoder,
      features,
      ...Object.fromEntries(redraws.map(({ artifact }, index) => [`redraws${index}`, artifact])),
      train: photosHash(split.train),
    },
    config: { imageSize: config.imageSize, recall },
    run: async ({ folder }) => {
      const { tensors } = safetensors.read(join(features.folder, featuresFile));
      const { train, validation } = tensors;
      if (!train || !validation) {
        throw new Error(
          `${features.folder} lacks features of known photos. Remove the folder and run again.`,
        );
      }
      const judge = detectors.mahalanobis.fit({ features: train, labels: labelsOf(split.train, classes) });
      const threshold = thresholdAtRecall(judge.score({ features: validation }), recall);
      const { encoder: network } = readEncoder(context, encoder);
      const rows: JudgedImage[] = [];
      for (const { source, artifact } of redraws) {
        const { images, lines } = await loadImages(context, artifact);
        const drawn = extractFeatures(network, images, { device });
        const scores = judge.score({ features: drawn });
        images.dispose();
        for (const [index, { recipe, strength }] of lines.entries()) {
          const features = drawn.select(0, index);
          const isInside = (scores[index] as number) >= threshold;
          rows.push({ source, recipe, strength, isInside, features });
        }
      }
      const nearness: Nearness = {
        recipes: groups(rows, keyOf).map((group) => {
          const { recipe, strength } = group[0]!;
          return { recipe, strength, ...judgedOf(group, validation) };
        }),
        sources: groups(rows, ({ source }) => source).map((group) => ({
          source: group[0]!.source,
          ...judgedOf(group, validation),
        })),
      };
      await writeFileAtomic(join(folder, nearnessFile), `${JSON.stringify(nearness)}\n`);
      return { recipes: nearness.recipes.length };
    },
  });
}

/** One image, as the encoder sees it. */
interface JudgedImage {
  readonly source: string;
  readonly recipe: string;
  readonly strength: number | null;
  readonly isInside: boolean;
  /** [D] */
  readonly features: Tensor;
}

/** What the encoder says of a group of images. */
export interface Judged {
  readonly images: number;
  /** 0..1 */
  readonly insideShare: number;
  readonly quality: ImageQuality;
}

/** How the images of a study look to the encoder, by recipe and strength, and by source. */
export interface Nearness {
  readonly recipes: readonly (Pick<NearnessRow, "recipe" | "strength"> & Judged)[];
  readonly sources: readonly ({ readonly source: string } & Judged)[];
}

/** @param photos [N, D]: features of known validation photos */
function judgedOf(group: readonly JudgedImage[], photos: Tensor): Judged {
  return {
    images: group.length,
    insideShare: mean(group.map(({ isInside }) => Number(isInside))),
    quality: scope(() => {
      const { fid, kid, precision, recall } = qualityOf(stack(group.map(({ features }) => features)), photos);
      return { fid, kid, precision, recall };
    }),
  };
}

/** Mean over seeds of each figure; null where no seed has it. */
function meanQuality(all: readonly ImageQuality[]): ImageQuality {
  const meanOf = (figure: keyof ImageQuality) => {
    const values = all.flatMap((quality) => quality[figure] ?? []);
    return values.length > 0 ? mean(values) : null;
  };
  const [fid, kid, precision, recall] = (["fid", "kid", "precision", "recall"] as const).map(meanOf);
  return { fid: fid!, kid: kid!, precision: precision!, recall: recall! };
}

/** The figures of all seeds taken together: means over seeds, in the order of the recipes. */
export async function nearnessOf(
  artifacts: readonly Artifact[],
  recipes: readonly string[],
): Promise<{ readonly recipes: NearnessRow[]; readonly sources: Nearness["sources"] }> {
  const perSeed = await Promise.all(
    artifacts.map(({ folder }) => readJson<Nearness>(join(folder, nearnessFile))),
  );
  return {
    recipes: groups(
      perSeed.flatMap((seed) => seed.recipes),
      keyOf,
    )
      .map((group) => {
        const { recipe, strength } = group[0]!;
        return { recipe, strength, ...together(group) };
      })
      .sort(
        (a, b) =>
          recipes.indexOf(a.recipe) - recipes.indexOf(b.recipe) || (a.strength ?? 0) - (b.strength ?? 0),
      ),
    sources: groups(
      perSeed.flatMap((seed) => seed.sources),
      ({ source }) => source,
    ).map((group) => ({ source: group[0]!.source, ...together(group) })),
  };
}

function together(group: readonly Judged[]): Judged {
  return {
    images: group.reduce((sum, { images }) => sum + images, 0),
    insideShare: mean(group.map(({ insideShare }) => insideShare)),
    quality: meanQuality(group.map(({ quality }) => quality)),
  };
}

const keyOf = ({ recipe, strength }: Pick<NearnessRow, "recipe" | "strength">) => `${recipe} ${strength}`;

function groups<T>(items: readonly T[], key: (item: T) => string): T[][] {
  return [...groupBy(items, key).values()];
}
