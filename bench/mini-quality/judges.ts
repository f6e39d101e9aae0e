// What images are judged by: small networks that learn to name photos and renders, and published features.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cat, inferenceMode, scope, type Tensor } from "@penumbra/torch";
import {
  Encoder,
  extractFeatures,
  fitLinearProbe,
  loadEncoder,
  saveEncoder,
  trainEncoder,
} from "../../penumbra/src/contrast/index.ts";
import { toUint8 } from "../../penumbra/src/images/index.ts";
import { findEncoderWeights } from "../../penumbra/src/models/index.ts";
import { auroc } from "../../penumbra/src/unknowns/index.ts";

/** Images with the place of each one's class, 0 … C - 1. */
export interface Labelled {
  /** uint8 [N, 3, S, S] */
  readonly images: Tensor;
  readonly labels: readonly number[];
}

/** Names what images show: the place of a class for each. */
export type Judge = (images: Tensor) => number[];

/**
 * A ResNet-10 that has learned to name images, kept in a folder.
 * @param steps batches of 64
 */
export async function judgeOf(
  folder: string,
  { images, labels }: Labelled,
  { steps, seed }: { readonly steps: number; readonly seed: number },
): Promise<Judge> {
  if (!existsSync(join(folder, "encoder.json"))) {
    const trained = await trainEncoder({
      ...{ objective: "cross-entropy", images, labels, steps, seed, batchSize: 64, views: 1 },
      network: { network: "resnet10", stem: "imagenet", width: 32 },
      augment: { preset: "gentle" },
    });
    saveEncoder(folder, trained);
  }
  const { encoder, head } = loadEncoder(folder);
  return (pictures) =>
    scope(() => {
      const features = extractFeatures(encoder, pictures);
      return inferenceMode(() => head.forward(features) as Tensor)
        .argmax({ dim: 1 })
        .toNumbers() as number[];
    });
}

/** Share of the images whose name is right. */
export function shareNamed(names: readonly number[], isRight: (name: number, place: number) => boolean) {
  return names.filter(isRight).length / names.length;
}

/** Edge that images are brought to before their features are taken: ImageNet's networks see little at 64 pixels. */
const FEATURE_SIZE = [112, 112] as const;
const FEATURE_BATCH = 128;

/** Features of published weights, uint8 [N, 3, S, S] -> float32 [N, D]. */
export type Features = (images: Tensor) => Tensor;

export async function featuresOf(weights: string): Promise<Features> {
  const encoder = Encoder.recognised(await findEncoderWeights(weights, {}));
  return (images) =>
    scope(() =>
      cat(
        images.split(FEATURE_BATCH).map((part) =>
          scope(() => {
            const pixels01 = part.to("float32").div(255);
            return extractFeatures(encoder, toUint8(pixels01._upsampleBicubic2dAa(FEATURE_SIZE, false)));
          }),
        ),
      ),
    );
}

/**
 * How well a linear probe tells photos from what was made of them: AUROC on pairs that it has not learned from, 0.5
 * where it cannot.
 * @param learned, asked features of photos and of what was made of the same ones, in this order
 */
export function traces(learned: readonly [Tensor, Tensor], asked: readonly [Tensor, Tensor]): number {
  return scope(() => {
    const labels = learned.flatMap((rows, which) => Array<number>(rows.shape[0] as number).fill(which));
    const probe = fitLinearProbe(cat(learned), labels, { l2: 1e-1 });
    const [photos, made] = asked.map((rows) => {
      const logits = probe.logits(rows);
      return logits.select(1, 0).sub(logits.select(1, 1)).toNumbers() as number[];
    }) as [number[], number[]];
    return auroc(photos, made);
  });
}
