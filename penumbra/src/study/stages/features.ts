import { join } from "node:path";
import { safetensors, type Tensor } from "@penumbra/torch";
import { extractFeatures } from "../../contrast/index.ts";
import type { Split } from "../../data/index.ts";
import type { Artifact } from "../store/index.ts";
import { pixelsHash, type StudyContext, withPixels } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { splitNames } from "./split.ts";

/** Features of every photo of a split from a frozen encoder: one tensor [N, D] per part that is not empty. */
export function featuresStage(
  context: StudyContext,
  split: Split,
  encoder: Artifact,
  arm: string,
  seed: number,
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
    config: { imageSize: config.imageSize },
    run: async ({ folder, progress }) => {
      const total = splitNames.reduce((sum, name) => sum + split[name].length, 0);
      const { encoder: network } = readEncoder(context, encoder);
      const features: Record<string, Tensor> = {};
      let done = 0;
      for (const name of splitNames) {
        if (split[name].length === 0) continue;
        features[name] = await withPixels(context, split[name], config.imageSize, async (pixels) =>
          extractFeatures(network, pixels, { device }),
        );
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
