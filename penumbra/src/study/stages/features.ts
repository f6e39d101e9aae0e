import { join } from "node:path";
import { safetensors, type Tensor } from "@penumbra/torch";
import { extractFeatures, extractStages } from "../../contrast/index.ts";
import type { Split, SplitName } from "../../data/index.ts";
import type { Artifact } from "../store/index.ts";
import { pixelsHash, type StudyContext, withPixels } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { splitNames } from "./split.ts";

export interface FeaturesInputs {
  readonly arm: string;
  readonly seed: number;
  /** Also the pooled features of the earlier stages of the encoder, which detectors of several layers read. */
  readonly withStages: boolean;
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
  const { config, store, device } = context;
  return store.run({
    name: "features",
    version: 1,
    label: `${arm}, seed ${seed}`,
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
        const [last, ...earlier] = await withPixels(context, split[name], config.imageSize, async (pixels) =>
          withStages
            ? extractStages(network, pixels, { device }).reverse()
            : [extractFeatures(network, pixels, { device })],
        );
        features[name] = last as Tensor;
        for (const [index, rows] of earlier.reverse().entries()) features[stageKey(name, index)] = rows;
        done += split[name].length;
        progress(done, total, "photos");
      }
      safetensors.write(join(folder, featuresFile), features);
      for (const tensor of Object.values(features)) tensor.dispose();
      return { photos: total };
    },
  });
}

export const featuresFile = "features.safetensors";

/** The key of an earlier stage's features in {@link featuresFile}; those of the last stage are called as the part is. */
function stageKey(part: SplitName, index: number): string {
  return `${part}.stage${index}`;
}

/**
 * The pooled features of every stage of the encoder, in its order, as {@link featuresStage} wrote them; the last are the
 * features. Of a part without photos there are none; without stages only the features.
 * @param tensors what {@link featuresFile} holds
 */
export function stageFeatures(tensors: Readonly<Record<string, Tensor>>, part: SplitName): Tensor[] {
  const stages: Tensor[] = [];
  for (let rows = tensors[stageKey(part, 0)]; rows; rows = tensors[stageKey(part, stages.length)]) {
    stages.push(rows);
  }
  const last = tensors[part];
  return last ? [...stages, last] : [];
}
