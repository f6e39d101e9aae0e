import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { deriveSeed, safetensors, scope, type Tensor } from "@penumbra/torch";
import { extractFeatures, principalPlane, project, UMAP_NEIGHBOURS, umap } from "../../contrast/index.ts";
import type { ImageKind } from "../../data/index.ts";
import { readJson, writeFileAtomic } from "../../files/index.ts";
import type { FeatureMap, MapKind } from "../../results/index.ts";
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

/** Maps of every arm's features at the first seed, in an artifact an arm. */
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

export async function readFeatureMaps({ folder }: Artifact): Promise<FeatureMap[]> {
  return readJson<FeatureMap[]>(join(folder, mapFile));
}

/** Where an encoder puts photos and redraws, by each of the study's methods. */
function featureMapStage(
  context: StudyContext,
  { arm, seed, encoder, features }: TrainedArm,
  images: SeedData["images"],
): Promise<Artifact> {
  const { config, store } = context;
  const { maps: methods } = config;
  return store.run({
    name: "feature-map",
    version: 2,
    label: labelOf(context, seed, arm),
    inputs: { encoder, features, ...images },
    config: { imageSize: config.imageSize, methods },
    run: async ({ folder }) =>
      scope(async () => {
        const { tensors } = safetensors.read(join(features.folder, featuresFile));
        const known = [tensors[PARTS.train], tensors[PARTS.known]].filter((part) => part !== undefined);
        const photos = Object.entries(PARTS).flatMap(([kind, part]) => {
          const rows = tensors[part];
          return rows ? [[kind as MapKind, thinned(rows)] as const] : [];
        });
        const shown = [...photos, ...(await imageFeatures(context, encoder, images))];
        const rows = torch.cat(shown.map(([, own]) => own));
        const kinds = shown.flatMap(([kind, own]) => Array<MapKind>(own.shape[0] as number).fill(kind));
        // The principal components are of the known photos, so that unknowns and redraws do not choose the plane.
        const plane = principalPlane(torch.cat(known));
        const start = project(plane, rows);
        const maps: FeatureMap[] = [];
        for (const method of methods) {
          if (method === "pca") {
            maps.push({ arm, seed, method, explained: plane.explained, points: pointsOf(start, kinds) });
          } else {
            const neighbours = Math.min(UMAP_NEIGHBOURS, kinds.length - 1);
            // The same seed for every arm: their pictures differ by their features.
            const places = await umap(rows, { start, neighbours, seed: deriveSeed(seed, "umap") });
            maps.push({ arm, seed, method, neighbours, points: pointsOf(places, kinds) });
          }
        }
        await writeFileAtomic(join(folder, mapFile), JSON.stringify(maps));
        return { points: kinds.length };
      }),
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

/** The places of images by what they are. */
function pointsOf(places: Tensor, kinds: readonly MapKind[]): FeatureMap["points"] {
  const rounded = (value: number) => Number(value.toPrecision(4));
  const points = (places.tolist() as [number, number][]).map(([x, y]) => [rounded(x), rounded(y)] as const);
  const ofKind = (kind: MapKind) => points.filter((_, row) => kinds[row] === kind);
  return Object.fromEntries([...new Set(kinds)].map((kind) => [kind, ofKind(kind)]));
}
