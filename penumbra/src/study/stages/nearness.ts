import { join } from "node:path";
import { safetensors, scope, stack, type Tensor } from "@penumbra/torch";
import { extractFeatures } from "../../contrast/index.ts";
import type { Split } from "../../data/index.ts";
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
  }: { encoder: Artifact; features: Artifact; redraws: readonly Artifact[]; seed: number },
): Promise<Artifact> {
  const { config, store, classes, device } = context;
  return store.run({
    name: "nearness",
    version: 2,
    label: labelOf(context, seed),
    inputs: {
      encoder,
      features,
      ...Object.fromEntries(redraws.map((artifact, index) => [`redraws${index}`, artifact])),
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
      for (const artifact of redraws) {
        const { images, lines } = await loadImages(context, artifact);
        const drawn = extractFeatures(network, images, { device });
        const scores = judge.score({ features: drawn });
        images.dispose();
        for (const [index, { recipe, strength }] of lines.entries()) {
          const features = drawn.select(0, index);
          rows.push({ recipe, strength, isInside: (scores[index] as number) >= threshold, features });
        }
      }
      const summary = summarise(rows, validation);
      await writeFileAtomic(join(folder, nearnessFile), `${JSON.stringify(summary)}\n`);
      return { recipes: summary.length };
    },
  });
}

/** One image, as the encoder sees it. */
interface JudgedImage {
  readonly recipe: string;
  readonly strength: number | null;
  readonly isInside: boolean;
  /** [D] */
  readonly features: Tensor;
}

/** @param photos [N, D]: features of known validation photos */
function summarise(rows: readonly JudgedImage[], photos: Tensor): NearnessRow[] {
  return groupByRecipe(rows).map((group) => ({
    recipe: group[0].recipe,
    strength: group[0].strength,
    images: group.length,
    insideShare: mean(group.map(({ isInside }) => Number(isInside))),
    quality: scope(() => {
      const { fid, kid, precision, recall } = qualityOf(stack(group.map(({ features }) => features)), photos);
      return { fid, kid, precision, recall };
    }),
  }));
}

/** Mean over seeds of each figure; null where no seed has it. */
function meanQuality(all: readonly (ImageQuality | undefined)[]): ImageQuality {
  const meanOf = (figure: keyof ImageQuality) => {
    const values = all.flatMap((quality) => quality?.[figure] ?? []);
    return values.length > 0 ? mean(values) : null;
  };
  const [fid, kid, precision, recall] = (["fid", "kid", "precision", "recall"] as const).map(meanOf);
  return { fid: fid!, kid: kid!, precision: precision!, recall: recall! };
}

/** The shares of all seeds, taken together: mean over seeds for each recipe and strength, in the order of the recipes. */
export async function nearnessOf(
  artifacts: readonly Artifact[],
  recipes: readonly string[],
): Promise<NearnessRow[]> {
  const perSeed = await Promise.all(
    artifacts.map(({ folder }) => readJson<NearnessRow[]>(join(folder, nearnessFile))),
  );
  return groupByRecipe(perSeed.flat())
    .map((group) => ({
      recipe: group[0].recipe,
      strength: group[0].strength,
      images: group.reduce((sum, { images }) => sum + images, 0),
      insideShare: mean(group.map(({ insideShare }) => insideShare)),
      quality: meanQuality(group.map(({ quality }) => quality)),
    }))
    .sort(
      (a, b) =>
        recipes.indexOf(a.recipe) - recipes.indexOf(b.recipe) || (a.strength ?? 0) - (b.strength ?? 0),
    );
}

/** Rows of the same recipe and strength; no group is empty. */
function groupByRecipe<Row extends { recipe: string; strength: number | null }>(
  rows: readonly Row[],
): [Row, ...Row[]][] {
  const groups = new Map<string, [Row, ...Row[]]>();
  for (const row of rows) {
    const key = `${row.recipe} ${row.strength}`;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()];
}
