import { noGrad, type PrecisionSetting, scope, type Tensor } from "@penumbra/torch";
import { type Posterior, samplePosterior } from "../../models/index.ts";
import {
  addLevels,
  DiffusionError,
  encodePrompts,
  type StableDiffusion,
  type WordVector,
} from "../model/index.ts";
import { decodeLatents, encodeImages } from "./autoencode.ts";
import { Drawing, type KeptLatents, type Steer } from "./drawing.ts";
import { latentNoise } from "./latent-noise.ts";
import type { Walk } from "./sampler.ts";
import { defaultSampler, type ReadySampler, readySampler, type SamplerChoice } from "./samplers.ts";
import { resolveStrength } from "./strength.ts";

/** What stands in for what {@link DenoisingOptions} leaves out. */
export const DENOISING = { steps: 50, guidanceScale: 7.5, precision: "fp32", batchSize: 16 } as const;

/** How images are denoised, whatever they are made of. */
export interface DenoisingOptions {
  /** Steps from pure noise to the image; a strength s takes about s of them. Default 50. */
  readonly steps?: number | undefined;
  /** Up to 1: the prompt alone decides and each step costs half. Default 7.5. */
  readonly guidanceScale?: number | undefined;
  /** The algorithm that denoises, with its settings. Default: the one that the model's scheduler asks for. */
  readonly sampler?: SamplerChoice | undefined;
  /** Default "fp32". */
  readonly precision?: PrecisionSetting | undefined;
}

/** What draws many images into a folder has this in common, beside what it draws. */
export interface FolderDrawing extends DenoisingOptions {
  readonly sd: StableDiffusion;
  /** Gets the images and manifest.jsonl. */
  readonly folder: string;
  /** Images drawn at once, at most; fewer where memory is small. Default 16. */
  readonly batchSize?: number | undefined;
  /** Ends the work between two steps, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What text-to-image and image-to-image have in common. */
export interface GenerationOptions extends Omit<DenoisingOptions, "guidanceScale"> {
  /** One for each image; or `context`. */
  prompts?: readonly string[];
  /** [B, L, D]: prompts that are encoded already. */
  context?: Tensor;
  /** What guidance leads away from; it needs a scale above 1. Default "". */
  negativePrompt?: string;
  /** [1, L, D] or [B, L, D]: in place of `negativePrompt`. */
  negativeContext?: Tensor;
  /** Words of one's own that the prompts may hold. */
  words?: readonly WordVector[];
  /** One for all, or one for each image. */
  guidanceScale?: DenoisingOptions["guidanceScale"] | readonly number[];
  /** One for each image: it decides about all of the image's noise, whatever else is in the batch. */
  seeds: readonly number[];
  /** [B, c, h, w]: the noise to begin with, in place of the one that the seeds give. */
  noise?: Tensor;
  /** Leads the images on their way; default: nothing does. */
  steer?: Steer;
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
  /** What the autoencoder makes of the images (`encodeImages`), where that is known already. */
  posterior?: Posterior;
  /**
   * [B, 1, H, W], 1 where an image is kept as it is, 0 where it is redrawn, of the images' size. What is kept leads what
   * is drawn beside it, and ends with the very pixels of the image.
   */
  kept?: Tensor;
}

/**
 * Images from text alone: latent diffusion from pure noise (Rombach et al. 2022).
 *
 * @returns float32 [B, 3, H, W] in 0..1
 * @throws DiffusionError when numbers of prompts and seeds differ, a size does not fit the model, or there is a negative
 *   prompt without guidance
 * @example textToImage(sd, { prompts: ["a photo of a relay"], steps: 20, seeds: [7] })
 */
export function textToImage(sd: StableDiffusion, options: TextToImageOptions): Tensor {
  using drawing = beginTextToImage(sd, options);
  return finish(drawing, options);
}

/** `textToImage` step by step: for a look in between, or to stop. @throws as textToImage */
export function beginTextToImage(sd: StableDiffusion, options: TextToImageOptions): Drawing {
  const { seeds, size = [sd.imageSize, sd.imageSize] } = options;
  checkCounts(options, seeds.length, { seeds: seeds.length });
  const latentSize = latentSizeOf(sd, size);
  const sampler = samplerOf(sd, options);
  const walk = sampler.walk(sd.schedulerConfig, options.steps ?? DENOISING.steps);
  return noGrad(() =>
    scope(() => {
      const noise = options.noise ?? latentNoise(sd, seeds, "noise", latentSize);
      const deviation = sampler.initialNoise(walk);
      const latents = deviation === 1 ? noise : noise.mul(deviation);
      return begin(sd, options, latents, Array<Walk>(seeds.length).fill(walk));
    }),
  );
}

/**
 * Redraws images: noises each to the timestep of its strength and denoises it under its prompt (SDEdit, Meng et al.
 * 2022, in latent space). Images, prompts and strengths of one call go through one batched loop.
 *
 * @param images01 float [B, 3, H, W] in 0..1, H and W multiples of the autoencoder's factor
 * @returns float32 [B, 3, H, W] in 0..1
 * @throws DiffusionError when the numbers of images, prompts, strengths and seeds differ, a size does not fit, or there
 *   is a negative prompt without guidance
 * @example imageToImage(sd, photos, { prompts, strengths: [0.25, 0.75], seeds: [1, 2] })
 */
export function imageToImage(sd: StableDiffusion, images01: Tensor, options: ImageToImageOptions): Tensor {
  using drawing = beginImageToImage(sd, images01, options);
  return withKept(finish(drawing, options), images01, options.kept);
}

/**
 * `imageToImage` step by step. Where something is kept, `withKept` puts its very pixels over the drawing's images.
 * @throws as imageToImage
 */
export function beginImageToImage(
  sd: StableDiffusion,
  images01: Tensor,
  options: ImageToImageOptions,
): Drawing {
  const { seeds, strengths, steps = DENOISING.steps, kept } = options;
  const count = images01.shape[0] as number;
  checkCounts(options, count, { seeds: seeds.length, strengths: strengths.length });
  if (images01.ndim !== 4 || !images01.isFloatingPoint()) {
    throw new DiffusionError(
      `imageToImage was given ${images01.dtype} [${images01.shape}]. Pass floats [B, 3, H, W] in 0..1 (bytes: images.to("float32").div(255)).`,
    );
  }
  const latentSize = latentSizeOf(sd, images01.shape.slice(2));
  if (kept) checkKept(kept, images01);
  const sampler = samplerOf(sd, options);
  const walks = strengths.map((strength) => sampler.walk(sd.schedulerConfig, steps, strength));
  const levels = strengths.map((strength) =>
    resolveStrength(sd.schedulerConfig, steps, strength, sampler.choice),
  );
  return noGrad(() =>
    scope(() => {
      const posteriorNoise = options.posteriorNoise ?? latentNoise(sd, seeds, "posterior", latentSize);
      const noise = options.noise ?? latentNoise(sd, seeds, "noise", latentSize);
      const posterior = options.posterior ?? encodeImages(sd, images01, options.precision);
      const clean = sd.vae.scale(samplePosterior(posterior, posteriorNoise)).to("float32");
      return begin(
        sd,
        options,
        addLevels(clean, noise, levels),
        walks,
        kept && {
          // A place of the latents is kept where all its pixels are.
          mask: kept.to(sd.device).to("float32").neg().maxPool2d([sd.vae.factor, sd.vae.factor]).neg(),
          ...{ clean, noise },
        },
      );
    }),
  );
}

/** The kept pixels of the images over what was drawn. @param kept as `ImageToImageOptions.kept` */
export function withKept(drawn: Tensor, images01: Tensor, kept: Tensor | undefined): Tensor {
  if (!kept) return drawn;
  return scope(() => {
    const mask = kept.to(drawn.device).to("float32");
    return images01
      .to(drawn.device)
      .to("float32")
      .mul(mask)
      .add(drawn.mul(mask.neg().add(1)));
  });
}

function checkKept(kept: Tensor, images: Tensor): void {
  const [count, , height, width] = images.shape;
  if (kept.shape.join() === [count, 1, height, width].join()) return;
  throw new DiffusionError(
    `The masks of what is kept have the shape [${kept.shape}], the images [${images.shape}]. Pass [${count}, 1, ${height}, ${width}].`,
  );
}

function finish(drawing: Drawing, { onProgress }: GenerationOptions): Tensor {
  while (drawing.step()) onProgress?.(drawing.done, drawing.total);
  return drawing.images();
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
  return noGrad(() => scope(() => decodeLatents(sd, sd.vae.scale(encodeImages(sd, images01).mean))));
}

function samplerOf(sd: StableDiffusion, { sampler }: GenerationOptions): ReadySampler {
  return readySampler(sampler ?? defaultSampler(sd.schedulerConfig));
}

function begin(
  sd: StableDiffusion,
  options: GenerationOptions,
  latents: Tensor,
  walks: readonly Walk[],
  kept?: KeptLatents,
): Drawing {
  const { words, negativePrompt = "" } = options;
  const { guidanceScale = DENOISING.guidanceScale, precision = DENOISING.precision } = options;
  const { context, negativeContext, seeds, steer } = options;
  const size = latents.shape.slice(2);
  const guidanceScales = walks.map((_, item) =>
    typeof guidanceScale === "number" ? guidanceScale : (guidanceScale[item] as number),
  );
  if (negativePrompt !== "" && guidanceScales.every((scale) => scale <= 1)) {
    throw new DiffusionError(
      `Nothing would lead away from the negative prompt "${negativePrompt}": guidance does, above a scale of 1. Raise guidanceScale (7.5 is usual), or leave the negative prompt out.`,
    );
  }
  return new Drawing({
    ...{ sd, latents, walks, precision, kept, steer },
    context: (context ?? encodePrompts(sd, options.prompts as readonly string[], { words })).to(sd.device),
    negativeContext: () => (negativeContext ?? encodePrompts(sd, [negativePrompt], { words })).to(sd.device),
    ...{ sampler: samplerOf(sd, options), guidanceScales },
    stepNoise: (items, step) =>
      latentNoise(
        sd,
        items.map((item) => seeds[item] as number),
        `step ${step}`,
        size,
      ),
  });
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
  { prompts, context, noise, guidanceScale }: GenerationOptions,
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
    ...(typeof guidanceScale === "object" && { guidanceScale: guidanceScale.length }),
  };
  for (const [name, count] of Object.entries(all)) {
    if (count === images) continue;
    throw new DiffusionError(
      `${images} images were asked for, but \`${name}\` has ${count} entries. Pass one for each image.`,
    );
  }
  if (images === 0) throw new DiffusionError("Generation was given no image. Pass at least one seed.");
}
