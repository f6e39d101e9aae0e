import { join } from "node:path";
import { cat, safetensors, scope, type Tensor, tensor } from "@penumbra/torch";
import { type Encoder, extractFeatures, extractStages } from "../../contrast/index.ts";
import type { Photo, Split, SplitName } from "../../data/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, photosHash, pixelsHash, type StudyContext, withPixels } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { splitNames } from "./split.ts";

export const featuresFile = "features.safetensors";

export interface FeaturesInputs {
  readonly arm: string;
  readonly seed: number;
  /** Also the pooled features of the earlier stages of the encoder, which detectors of several layers read. */
  readonly withStages: boolean;
}

/** Features of photos from an encoder that no seed trains, to be taken by all seeds. */
export interface SharedFeatures {
  readonly artifact: Artifact;
  /** A row each. */
  readonly photos: readonly Photo[];
}

/**
 * Features of every photo of a split from a frozen encoder: one tensor [N, D] per part that is not empty, and where
 * stages are wanted one [N, D_s] for each: {@link stageFeatures} reads them.
 */
export function featuresStage(
  context: StudyContext,
  split: Split,
  encoder: Artifact,
  { arm, seed, withStages }: FeaturesInputs,
): Promise<Artifact> {
  const { config, store } = context;
  return store.run({
    name: "features",
    version: 1,
    label: labelOf(context, seed, arm),
    inputs: {
      encoder,
      ...Object.fromEntries(splitNames.map((name) => [name, pixelsHash(context, split[name])])),
    },
    // Always in fp32, whatever the training was in: distances between features matter.
    config: { imageSize: config.imageSize, ...(withStages && { withStages }) },
    run: async ({ folder, progress }) => {
      const total = splitNames.reduce((sum, name) => sum + split[name].length, 0);
      const { encoder: network } = readEncoder(context, encoder);
      const features: Record<string, Tensor> = {};
      let done = 0;
      for (const name of splitNames) {
        if (split[name].length === 0) continue;
        Object.assign(features, named(name, await stagesOf(context, network, split[name], withStages)));
        done += split[name].length;
        progress(done, total, "photos");
      }
      writeFeatures(folder, features);
      return { photos: total };
    },
  });
}

/** Features of all photos that some seed has, from an encoder that no seed trains: they are computed once. */
export async function sharedFeaturesStage(
  context: StudyContext,
  splits: readonly Split[],
  encoder: Artifact,
  { withStages }: Pick<FeaturesInputs, "withStages">,
): Promise<SharedFeatures> {
  const { config, store } = context;
  const all = splits.flatMap((split) => splitNames.flatMap((name) => split[name]));
  const byId = new Map(all.map((photo) => [photo.id, photo]));
  const photos = [...byId.keys()].sort().map((id) => byId.get(id) as Photo);
  const artifact = await store.run({
    name: "features",
    version: 1,
    label: "frozen",
    inputs: { encoder, photos: pixelsHash(context, photos) },
    config: { imageSize: config.imageSize, ...(withStages && { withStages }) },
    run: async ({ folder, progress }) => {
      const { encoder: network } = readEncoder(context, encoder);
      const stages = await stagesOf(context, network, photos, withStages, (done) =>
        progress(done, photos.length, "photos"),
      );
      writeFeatures(folder, named(SHARED, stages));
      return { photos: photos.length };
    },
  });
  return { artifact, photos };
}

/** The rows of shared features that belong to the parts of a split, as {@link featuresStage} writes them. */
export function sharedRowsStage(
  context: StudyContext,
  split: Split,
  { artifact: features, photos }: SharedFeatures,
  seed: number,
): Promise<Artifact> {
  return context.store.run({
    name: "features",
    version: 1,
    label: labelOf(context, seed, "frozen"),
    inputs: {
      features,
      ...Object.fromEntries(splitNames.map((name) => [name, photosHash(split[name])])),
    },
    config: {},
    run: async ({ folder }) => {
      const stages = stageFeatures(safetensors.read(join(features.folder, featuresFile)).tensors, SHARED);
      const places = new Map(photos.map(({ id }, place) => [id, place]));
      scope(() => {
        const parts = splitNames
          .filter((name) => split[name].length > 0)
          .map((name) => {
            const rows = tensor(
              split[name].map(({ id }) => places.get(id) as number),
              { dtype: "int64" },
            );
            return named(
              name,
              stages.map((stage) => stage.indexSelect(0, rows)),
            );
          });
        safetensors.write(join(folder, featuresFile), Object.assign({}, ...parts));
      });
      for (const stage of stages) stage.dispose();
      return { photos: splitNames.reduce((sum, name) => sum + split[name].length, 0) };
    },
  });
}

/** What {@link featuresFile} calls features that all seeds share. */
const SHARED = "all";

/** Photos whose pixels lie in memory at once: whole batches, so that every photo is in the batch that it was in. */
const CHUNK = 4096;

/** The features of every stage, or only of the last one. */
async function stagesOf(
  context: StudyContext,
  encoder: Encoder,
  photos: readonly Photo[],
  withStages: boolean,
  onProgress: (done: number) => void = () => {},
): Promise<Tensor[]> {
  const { config, device } = context;
  const chunks: Tensor[][] = [];
  for (let start = 0; start < photos.length; start += CHUNK) {
    const some = photos.slice(start, start + CHUNK);
    const stages = await withPixels(context, some, config.imageSize, async (pixels) => {
      const options = { device, onProgress: (done: number) => onProgress(start + done) };
      return withStages
        ? extractStages(encoder, pixels, options)
        : [extractFeatures(encoder, pixels, options)];
    });
    chunks.push(stages);
  }
  const [first = []] = chunks;
  if (chunks.length < 2) return first;
  return first.map((_, stage) => {
    const parts = chunks.map((stages) => stages[stage]!);
    const whole = cat(parts);
    for (const part of parts) part.dispose();
    return whole;
  });
}

function writeFeatures(folder: string, features: Readonly<Record<string, Tensor>>): void {
  safetensors.write(join(folder, featuresFile), features);
  for (const rows of Object.values(features)) rows.dispose();
}

/** Features by their keys in {@link featuresFile}: those of the last stage are called as the part is. */
function named(part: string, stages: readonly Tensor[]): Record<string, Tensor> {
  const last = stages.length - 1;
  return Object.fromEntries(
    stages.map((rows, index) => [index === last ? part : stageKey(part, index), rows]),
  );
}

/** The key of an earlier stage's features. */
function stageKey(part: string, index: number): string {
  return `${part}.stage${index}`;
}

/**
 * The pooled features of every stage of the encoder, in its order, as {@link featuresStage} wrote them; the last are the
 * features. Of a part without photos there are none; without stages only the features.
 * @param tensors what {@link featuresFile} holds
 */
export function stageFeatures(
  tensors: Readonly<Record<string, Tensor>>,
  part: SplitName | typeof SHARED,
): Tensor[] {
  const stages: Tensor[] = [];
  for (let rows = tensors[stageKey(part, 0)]; rows; rows = tensors[stageKey(part, stages.length)]) {
    stages.push(rows);
  }
  const last = tensors[part];
  return last ? [...stages, last] : [];
}
