import * as torch from "@penumbra/torch";
import { trainEncoder } from "../../penumbra/src/contrast/index.ts";
import { reported, type Workload } from "./workload.ts";

const SHAPE = {
  photos: 96,
  classes: 8,
  batch: 64,
  views: 2,
  negatives: 32,
  size: 64,
  width: 32,
  projection: 64,
};
const AUGMENT = {
  crop: { scale: [0.4, 1] as [number, number], ratio: [0.8, 1.25] as [number, number] },
  flip: 0.5,
  rotation: 20,
  shift: 0.05,
  brightness: 0.3,
  contrast: 0.3,
  saturation: 0.3,
  noise: 0.02,
};

/** The study's contrastive training: augmentation, ResNet-10, projection, SupCon with negatives-only columns. */
export function supcon(precision: "fp32" | "bf16"): Workload {
  return {
    module: "supcon",
    parameters: { ...SHAPE, augment: AUGMENT, precision },
    build() {
      const images = torch.randint(256, [SHAPE.photos, 3, SHAPE.size, SHAPE.size], { dtype: "uint8" });
      const labels = Array.from({ length: SHAPE.photos }, (_, photo) => photo % SHAPE.classes);
      const run = reported((steps, onProgress) =>
        trainEncoder({
          objective: "supcon",
          images,
          labels,
          negatives: { images, perStep: SHAPE.negatives },
          network: { network: "resnet10", stem: "cifar", width: SHAPE.width },
          loss: { projection: SHAPE.projection },
          batchSize: SHAPE.batch,
          views: SHAPE.views,
          augment: AUGMENT,
          precision,
          steps,
          seed: 0,
          onProgress,
        }),
      );
      return { run, facts: { rows: SHAPE.views * SHAPE.batch + SHAPE.negatives } };
    },
  };
}
