import { noGrad, type PrecisionSetting, scope, type Tensor } from "@penumbra/torch";
import { samplePosterior } from "../../models/index.ts";
import {
  addLevels,
  DiffusionError,
  encodePrompts,
  type StableDiffusion,
  type WordVector,
} from "../model/index.ts";
import { denoise } from "./denoise.ts";
import { latentNoise } from "./latent-noise.ts";
import type { Walk } from "./sampler.ts";
import { defaultSampler, type ReadySampler, readySampler, type SamplerChoice } from "./samplers.ts";
import { resolveStrength } from "./strength.ts";

/** What text-to-image and image-to-image have in common. */
export interface GenerationOptions {
  /** One for each image; or `context`. */
  prompts?: readonly string[];
  /** [B, L, D]: prompts that are encoded already. */
  context?: Tensor;
  /** What guidance leads away from. Default "". */
  negativePrompt?: string;
  /** [1, L, D] or [B, L, D]: in place of `negativePrompt`. */
  negativeContext?: Tensor;
  /** Words of one's own that the prompts may hold. */
  words?: readonly WordVector[];
  /** Steps from pure noise to the image. Default 50. */
  steps?: number;
  /** Up to 1: the prompt alone decides and each step costs half. Default 7.5. */
  guidanceScale?: number;
  /** One for each image: it decides about all of the image's noise, whatever else is in the batch. */
  seeds: readonly number[];
  /** Default "fp32". */
  precision?: PrecisionSetting;
  /** The algorithm that denoises, with its settings. Default: the one that the model's scheduler asks for. */
  sampler?: SamplerChoice;
  /** [B, c, h, w]: the noise to begin with, in place of the one that the seeds give. */
  noise?: Tensor;
  /** Called after each step. */
  onProgress?: (done: number, total: number) => void;
}

export interface TextToImageOptions extends GenerationOptions {
  /** [height, width] in pixels; default: the size that the model was made for. */
  size?: readonly [number, number];
}

export interface ImageToImageOptions extends GenerationOptions {
  /** One for each image: 0 leaves it as it is, 1 is almost pure noise (see `resolveStrength`). */
  strengths: readonly number[];
  /** [B, c, h, w]: the noise of the draw from the autoencoder's posterior, in place of the one that the seeds give. */
  posteriorNoise?: Tensor;
}

/**
 * Images from text alone: latent diffusion from pure noise (Rombach et al. 2022).
 *
 * @returns float32 [B, 3, H, W] in 0..1
 * @throws DiffusionError when numbers of prompts and seeds differ or a size does not fit the model
 * @example textToImage(sd, { prompts: ["a photo of a relay"], steps: 20, seeds: [7] })
 */
export function textToImage(sd: StableDiffusion, options: TextToImageOptions): Tensor {
  const { seeds, size = [sd.imageSize, sd.imageSize] } = options;
  checkCounts(options, seeds.length, { seeds: seeds.length });
  const latentSize = latentSizeOf(sd, size);
  return noGrad(() =>
    scope(() => {
      const sampler = samplerOf(sd, options);
      const walk = sampler.walk(sd.schedulerConfig, options.steps ?? 50);
      const noise = options.noise ?? latentNoise(sd, seeds, "noise", latentSize);
      const deviation = sampler.initialNoise(walk);
      const latents = deviation === 1 ? noise : noise.mul(deviation);
      return toImages(sd, sample(sd, options, latents, Array<Walk>(seeds.length).fill(walk)));
    }),
  );
}

/**
 * Redraws images: noises each to the timestep of its strength and denoises it under its prompt (SDEdit, Meng et al.
 * 2022, in latent space). Images, prompts and strengths of one call go through one batched loop.
 *
 * @param images01 float [B, 3, H, W] in 0..1, H and W multiples of the autoencoder's factor
 * @returns float32 [B, 3, H, W] in 0..1
 * @throws DiffusionError when the numbers of images, prompts, strengths and seeds differ, or a size does not fit
 * @example imageToImage(sd, photos, { prompts, strengths: [0.25, 0.75], seeds: [1, 2] })
 */
export function imageToImage(sd: StableDiffusion, images01: Tensor, options: ImageToImageOptions): Tensor {
  const { seeds, strengths, steps = 50 } = options;
  const count = images01.shape[0] as number;
  checkCounts(options, count, { seeds: seeds.length, strengths: strengths.length });
  if (images01.ndim !== 4 || !images01.isFloatingPoint()) {
    throw new DiffusionError(
      `imageToImage was given ${images01.dtype} [${images01.shape}]. Pass floats [B, 3, H, W] in 0..1 (bytes: images.to("float32").div(255)).`,
    );
  }
  const latentSize = latentSizeOf(sd, images01.shape.slice(2));
  const sampler = samplerOf(sd, options);
  const walks = strengths.map((strength) => sampler.walk(sd.schedulerConfig, steps, strength));
  const levels = strengths.map((strength) =>
    resolveStrength(sd.schedulerConfig, steps, strength, sampler.choice),
  );
  return noGrad(() =>
    scope(() => {
      const posteriorNoise = options.posteriorNoise ?? latentNoise(sd, seeds, "posterior", latentSize);
      const noise = options.noise ?? latentNoise(sd, seeds, "noise", latentSize);
      const weights = sd.vae.encoder.convIn.weight.dtype;
      const pixels = images01.to({ device: sd.device, dtype: weights, memoryFormat: "channelsLast" });
      const posterior = sd.vae.encode(pixels.mul(2).sub(1));
      const clean = sd.vae.scale(samplePosterior(posterior, posteriorNoise)).to("float32");
      return toImages(sd, sample(sd, options, addLevels(clean, noise, levels), walks));
    }),
  );
}

/**
 * Images through the autoencoder and back, without noise: the mean of each image's posterior, decoded. What differs
 * from the image is what the autoencoder alone does to it.
 *
 * @param images01 float [B, 3, H, W] in 0..1, H and W multiples of the autoencoder's factor
 * @returns float32 [B, 3, H, W] in 0..1
 * @throws DiffusionError when a size does not fit
 */
export function roundTrip(sd: StableDiffusion, images01: Tensor): Tensor {
  latentSizeOf(sd, images01.shape.slice(2));
  return noGrad(() =>
    scope(() => {
      const dtype = sd.vae.encoder.convIn.weight.dtype;
      const pixels = images01.to({ device: sd.device, dtype, memoryFormat: "channelsLast" });
      return toImages(sd, sd.vae.scale(sd.vae.encode(pixels.mul(2).sub(1)).mean).to("float32"));
    }),
  );
}

function samplerOf(sd: StableDiffusion, { sampler }: GenerationOptions): ReadySampler {
  return readySampler(sampler ?? defaultSampler(sd.schedulerConfig));
}

function sample(
  sd: StableDiffusion,
  options: GenerationOptions,
  latents: Tensor,
  walks: readonly Walk[],
): Tensor {
  const { words, negativePrompt = "", guidanceScale = 7.5, precision = "fp32" } = options;
  const { context, negativeContext } = options;
  return denoise(sd, {
    latents,
    walks,
    context: (context ?? encodePrompts(sd, options.prompts as readonly string[], { words })).to(sd.device),
    negativeContext: () => (negativeContext ?? encodePrompts(sd, [negativePrompt], { words })).to(sd.device),
    sampler: samplerOf(sd, options),
    guidanceScale,
    precision,
    stepNoise: (items, step) =>
      latentNoise(
        sd,
        items.map((item) => options.seeds[item] as number),
        `step ${step}`,
        latents.shape.slice(2),
      ),
    onProgress: options.onProgress,
  });
}

/** Decodes latents; the autoencoder works in its own dtype, never in autocast. */
function toImages(sd: StableDiffusion, latents: Tensor): Tensor {
  const weights = sd.vae.decoder.convIn.weight.dtype;
  const decoded = sd.vae.decode(sd.vae.unscale(latents).to({ dtype: weights, memoryFormat: "channelsLast" }));
  return decoded.to("float32").div(2).add(0.5).clamp({ min: 0, max: 1 }).contiguous();
}

function latentSizeOf(sd: StableDiffusion, [height = 0, width = 0]: readonly number[]): [number, number] {
  const { factor } = sd.vae;
  if (height > 0 && width > 0 && height % factor === 0 && width % factor === 0)
    return [height / factor, width / factor];
  throw new DiffusionError(
    `Images of ${height}x${width} pixels do not fit the autoencoder. Choose multiples of ${factor}; the model was made for ${sd.imageSize}.`,
  );
}

function checkCounts(
  { prompts, context, noise }: GenerationOptions,
  images: number,
  counts: Readonly<Record<string, number>>,
): void {
  if ((prompts === undefined) === (context === undefined)) {
    throw new DiffusionError(
      "Generation needs either `prompts` or `context`, one for each image. Pass one of them.",
    );
  }
  const all = {
    ...counts,
    ...(prompts && { prompts: prompts.length }),
    ...(context && { context: context.shape[0] }),
    ...(noise && { noise: noise.shape[0] }),
  };
  for (const [name, count] of Object.entries(all)) {
    if (count === images) continue;
    throw new DiffusionError(
      `${images} images were asked for, but \`${name}\` has ${count} entries. Pass one for each image.`,
    );
  }
  if (images === 0) throw new DiffusionError("Generation was given no image. Pass at least one seed.");
}
