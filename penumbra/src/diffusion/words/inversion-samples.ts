import {
  cat,
  deriveSeed,
  type Generator,
  noGrad,
  Random,
  randn,
  scope,
  stack,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import { horizontalFlip, resize } from "../../images/index.ts";
import { samplePosterior } from "../../models/index.ts";
import type { StableDiffusion } from "../model/index.ts";
import { TEMPLATES } from "./templates.ts";

/** A batch of latents with their texts, as one step of training sees it. */
export interface InversionBatch {
  /** Scaled latents [B, c, h, w]. */
  readonly latents: Tensor;
  /** Standard normal, of the same shape. */
  readonly noise: Tensor;
  readonly timesteps: readonly number[];
  /** int64 [B, 77]; id vocab_size + k stands for row k of the words. */
  readonly ids: Tensor;
}

/** Where a class's photos lie in latent space: [n, 2, c, h, w], the second as mirrored. */
export interface Posteriors {
  readonly mean: Tensor;
  readonly logvar: Tensor;
}

/** @param images uint8 [n, 3, H, W]; brought to the model's size where they differ from it */
export function encodePhotos(sd: StableDiffusion, images: Tensor): Posteriors {
  const size = sd.imageSize;
  const encodeBatch = (batch: Tensor): Posteriors => sd.vae.encode(batch);
  return noGrad(() =>
    scope(() => {
      const parts = images.split(16).map((part) =>
        scope(() => {
          const fitting = part.shape[2] === size && part.shape[3] === size;
          const pixels01 = part.to({ device: sd.device, dtype: "float32" }).div(255);
          const sized = fitting ? pixels01 : resize(pixels01, [size, size]);
          const [plain, mirrored] = [sized, horizontalFlip(sized)].map((x) =>
            encodeBatch(x.mul(2).sub(1).to(sd.vae.encoder.convIn.weight.dtype)),
          );
          const both = (name: "mean" | "logvar") =>
            stack([plain![name], mirrored![name]], { dim: 1 }).to("float32");
          return { mean: both("mean"), logvar: both("logvar") };
        }),
      );
      return { mean: cat(parts.map(({ mean }) => mean)), logvar: cat(parts.map(({ logvar }) => logvar)) };
    }),
  );
}

/** What {@link drawSamples} draws from. */
export interface Draw {
  readonly seed: number;
  readonly batchSize: number;
  readonly photos: Posteriors;
  readonly ids: Tensor;
  readonly generator: Generator;
}

/** One class's samples of one step: photo, flip, template, timestep and noise by `seed` alone. */
export function drawSamples(
  { seed, batchSize, photos, ids, generator }: Draw,
  sd: StableDiffusion,
): InversionBatch {
  const random = new Random(seed);
  const [count, , ...size] = photos.mean.shape as [number, number, ...number[]];
  const places = Array.from({ length: batchSize }, () => random.int(count) * 2 + random.int(2));
  const templates = Array.from({ length: batchSize }, () => random.int(TEMPLATES.length));
  const timesteps = Array.from({ length: batchSize }, () =>
    random.int(sd.schedulerConfig.num_train_timesteps),
  );
  const at = (indices: number[]) => tensor(indices, { dtype: "int64", device: sd.device });
  generator.manualSeed(deriveSeed(seed, "noise"));
  const [posteriorNoise, noise] = randn([2, batchSize, ...size], { generator })
    .to(sd.device)
    .unbind() as [Tensor, Tensor];
  const pick = (values: Tensor) => values.flatten({ endDim: 1 }).indexSelect(0, at(places));
  const latents = sd.vae.scale(
    samplePosterior({ mean: pick(photos.mean), logvar: pick(photos.logvar) }, posteriorNoise),
  );
  return { latents, noise, timesteps, ids: ids.indexSelect(0, at(templates)) };
}

/** Several classes' samples as one batch. */
export function collate(batches: readonly InversionBatch[]): InversionBatch {
  return {
    latents: cat(batches.map(({ latents }) => latents)),
    noise: cat(batches.map(({ noise }) => noise)),
    timesteps: batches.flatMap(({ timesteps }) => timesteps),
    ids: cat(batches.map(({ ids }) => ids)),
  };
}
