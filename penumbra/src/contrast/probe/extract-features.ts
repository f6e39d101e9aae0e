import * as torch from "@penumbra/torch";
import { noGrad, type PrecisionSetting, scope, type Tensor } from "@penumbra/torch";
import { autocastTo } from "../../models/index.ts";
import { ContrastError } from "../errors.ts";
import type { Encoder } from "../training/encoder.ts";

export interface ExtractOptions {
  /** Default 256. Changes no feature beyond rounding. */
  readonly batchSize?: number;
  /** Default "cpu". The encoder must be there. */
  readonly device?: string;
  /** Default "fp32": features are taken once, and distances between them matter. */
  readonly precision?: PrecisionSetting;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Features of a frozen encoder, before the head, without augmentation. Batch norm uses its running averages, so that
 * an image's features do not depend on the other images.
 *
 * @param images uint8 [N, 3, H, W]
 * @returns float32 [N, D] on the CPU
 * @throws ContrastError for anything but uint8 images
 */
export function extractFeatures(encoder: Encoder, images: Tensor, options: ExtractOptions = {}): Tensor {
  const [features] = extract(
    encoder,
    images,
    [encoder.dimensions],
    (pixels01) => [encoder.forward(pixels01)],
    options,
  );
  return features as Tensor;
}

/**
 * As {@link extractFeatures}, of every stage of the encoder.
 *
 * @param images uint8 [N, 3, H, W]
 * @returns for each stage float32 [N, D_s] on the CPU; the last has the bits of `extractFeatures`
 * @throws ContrastError for anything but uint8 images
 */
export function extractStages(encoder: Encoder, images: Tensor, options: ExtractOptions = {}): Tensor[] {
  return extract(encoder, images, encoder.stageDimensions, (pixels01) => encoder.stages(pixels01), options);
}

/** Runs `featuresOf` over batches of the images and gathers each of its results, [B, dimensions[i]], to [N, dimensions[i]]. */
function extract(
  encoder: Encoder,
  images: Tensor,
  dimensions: readonly number[],
  featuresOf: (pixels01: Tensor) => Tensor[],
  { batchSize = 256, device = "cpu", precision = "fp32", onProgress }: ExtractOptions,
): Tensor[] {
  if (images.dtype !== "uint8" || images.ndim !== 4 || images.shape[1] !== 3) {
    throw new ContrastError(
      `extractFeatures got ${images.dtype} [${images.shape}]; it needs uint8 [N, 3, height, width].`,
    );
  }
  const compute = autocastTo(device, torch.resolvePrecision(precision, device).dtype);
  const count = images.shape[0] as number;
  const wasTraining = encoder.training;
  encoder.eval();
  try {
    return scope(() => {
      const gathered = dimensions.map((width) => torch.empty([count, width]));
      for (let start = 0; start < count; start += batchSize) {
        const length = Math.min(batchSize, count - start);
        scope(() =>
          noGrad(() => {
            const pixels01 = images.narrow(0, start, length).to(device).to("float32").div(255);
            for (const [index, rows] of compute(() => featuresOf(pixels01)).entries()) {
              (gathered[index] as Tensor).narrow(0, start, length).copy_(rows);
            }
          }),
        );
        onProgress?.(start + length, count);
      }
      return gathered;
    });
  } finally {
    encoder.train(wasTraining);
  }
}
