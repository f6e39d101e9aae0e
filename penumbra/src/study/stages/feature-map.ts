import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { safetensors, scope, type Tensor } from "@penumbra/torch";
import { extractFeatures, principalPlane, project } from "../../contrast/index.ts";
import type { ImageKind } from "../../data/index.ts";
import { readJson, writeFileAtomic } from "../../files/index.ts";
import type { FeatureMap, MapKind, MapPoint } from "../../results/index.ts";
import { sourceOf } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, type StudyContext } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { featuresFile } from "./features.ts";
import { loadImages } from "./load-images.ts";
import type { SeedData } from "./prepare-seeds.ts";
import type { TrainedArm } from "./train-arms.ts";

const mapFile = "feature-map.json";

/** Points of each kind that a map shows: enough to see where they lie, few enough for a small page. */
const MOST = 150;

const PARTS = { train: "train", known: "test", near: "nearTest", far: "farTest" } as const satisfies Partial<
  Record<MapKind, string>
>;
const KINDS: Readonly<Record<ImageKind, MapKind>> = { faithful: "faithful", "near-ood": "nearOod" };

/** Maps of every arm's features at the first seed. */
export async function mapFeatures(
  context: StudyContext,
  seeds: readonly SeedData[],
  trained: readonly TrainedArm[],
): Promise<Artifact[]> {
  const [first] = seeds;
  if (!first) return [];
  const artifacts: Artifact[] = [];
  for (const arm of trained.filter(({ seed }) => seed === first.seed)) {
    artifacts.push(await featureMapStage(context, arm, first.images));
  }
  return artifacts;
}

export async function readFeatureMap({ folder }: Artifact): Promise<FeatureMap> {
  return readJson<FeatureMap>(join(folder, mapFile));
}

/**
 * Where an encoder puts photos and redraws, in the plane in which the known photos (to learn from and of the test)
 * differ most: principal components of their features.
 */
function featureMapStage(
  context: StudyContext,
  { arm, seed, encoder, features }: TrainedArm,
  images: SeedData["images"],
): Promise<Artifact> {
  const { config, store } = context;
  return store.run({
    name: "feature-map",
    version: 1,
    label: labelOf(context, seed, arm),
    inputs: { encoder, features, ...images },
    config: { imageSize: config.imageSize },
    run: async ({ folder }) => {
      const { tensors } = safetensors.read(join(features.folder, featuresFile));
      const known = [tensors[PARTS.train], tensors[PARTS.known]].filter((part) => part !== undefined);
      const drawn = await imageFeatures(context, encoder, images);
      const map = scope((): FeatureMap => {
        const plane = principalPlane(torch.cat(known));
        const parts = Object.entries(PARTS).map(
          ([kind, part]) => [kind as keyof typeof PARTS, tensors[part]] as const,
        );
        const points: Partial<Record<MapKind, MapPoint[]>> = {};
        for (const [kind, rows] of [...parts, ...drawn] as const) {
          if (rows) points[kind] = [...(points[kind] ?? []), ...pointsOf(project(plane, thinned(rows)))];
        }
        return { arm, seed, explained: plane.explained, points };
      });
      for (const [, rows] of drawn) rows.dispose();
      await writeFileAtomic(join(folder, mapFile), JSON.stringify(map));
      return { points: Object.values(map.points).reduce((sum, points) => sum + points.length, 0) };
    },
  });
}

/** The features of some images of each source. */
async function imageFeatures(
  context: StudyContext,
  encoder: Artifact,
  images: SeedData["images"],
): Promise<(readonly [MapKind, Tensor])[]> {
  const { device, tables } = context;
  const { encoder: network } = readEncoder(context, encoder);
  const drawn: (readonly [MapKind, Tensor])[] = [];
  for (const [name, artifact] of Object.entries(images)) {
    const { images: all } = await loadImages(context, artifact);
    const some = thinned(all);
    drawn.push([KINDS[sourceOf(name, tables.sources).kind], extractFeatures(network, some, { device })]);
    all.dispose();
    some.dispose();
  }
  return drawn;
}

/** At most {@link MOST} rows, evenly from all over. */
function thinned(rows: Tensor): Tensor {
  const count = rows.shape[0] as number;
  const kept = Math.min(count, MOST);
  const places = Array.from({ length: kept }, (_, place) => Math.floor((place * count) / kept));
  return rows.indexSelect(0, torch.tensor(places, { dtype: "int64" }));
}

function pointsOf(rows: Tensor): MapPoint[] {
  const rounded = (value: number) => Number(value.toPrecision(4));
  return (rows.tolist() as [number, number][]).map(([x, y]) => [rounded(x), rounded(y)]);
}
