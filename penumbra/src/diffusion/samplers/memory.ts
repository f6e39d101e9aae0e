import { cuda } from "@penumbra/torch";
import type { StableDiffusion } from "../model/index.ts";

/** Of the memory that is free (of the machine or its container), what one batch may take: others live here too. */
const SHARE = 0.5;

/** Smaller tiles would see too little of an image. */
const LEAST_TILE = 256;

/**
 * Images that go through the autoencoder together: all, unless memory is too small for them.
 *
 * At the full size the decoder holds some five tensors of its second level's channels (reckoned, not measured: 1.25
 * GiB an image of 512 pixels for Stable Diffusion 1.5 in float32).
 *
 * @param pixels [H, W]
 */
export function autoencoderSlice(sd: StableDiffusion, pixels: readonly number[], count: number): number {
  return atMost(count, autoencoderBytes(sd, pixels), sd.device);
}

/** What a decoder keeps for its gradient, beside what it holds without: some twenty tensors at the full size. */
const GRADIENT_SHARE = 6;

/**
 * Images that can be decoded together where gradients are taken through the decoder (reckoned, not measured).
 *
 * @param pixels [H, W]
 */
export function gradientSlice(sd: StableDiffusion, pixels: readonly number[], count: number): number {
  return atMost(count, GRADIENT_SHARE * autoencoderBytes(sd, pixels), sd.device);
}

/**
 * Side of the tiles that the autoencoder is to work in, in pixels: the whole image, unless one alone is too large for
 * the memory.
 */
export function autoencoderTile(sd: StableDiffusion, pixels: readonly number[]): number {
  const whole = Math.max(...pixels);
  if (sd.device !== "cpu") return whole;
  let side = whole;
  while (side > LEAST_TILE && autoencoderBytes(sd, [side, side]) > SHARE * process.availableMemory())
    side = Math.max(LEAST_TILE, Math.floor(side / 2 / sd.vae.factor) * sd.vae.factor);
  return side;
}

function autoencoderBytes(sd: StableDiffusion, pixels: readonly number[]): number {
  const { block_out_channels: channels } = sd.vae.config;
  const widest = channels[1] ?? (channels[0] as number);
  const [height = 0, width = 0] = pixels;
  return 5 * widest * height * width * bytesOf(sd.vae.decoder.convIn.weight.dtype);
}

/**
 * Images that go through the denoiser together: all, unless memory is too small for them.
 *
 * @param latents [h, w]
 * @param isGuided each image then counts twice
 */
export function denoiserSlice(
  sd: StableDiffusion,
  latents: readonly number[],
  count: number,
  isGuided: boolean,
): number {
  const { block_out_channels: channels } = sd.unet.config;
  const [height = 0, width = 0] = latents;
  // The feed-forward layers of the first level (8 times its channels) and what the way down leaves for the way up.
  const floats = 24 * (channels[0] as number) * height * width;
  const bytes = floats * bytesOf(sd.unet.convIn.weight.dtype) * (isGuided ? 2 : 1);
  return atMost(count, bytes, sd.device);
}

/** libtorch does not tell how much of a GPU is free: there a batch that is too large is halved, see `halving`. */
function atMost(count: number, bytesEach: number, device: string): number {
  if (device !== "cpu") return count;
  return Math.max(1, Math.min(count, Math.floor((SHARE * process.availableMemory()) / bytesEach)));
}

/**
 * Computes with so many items at once, and with half as many as often as a GPU's memory is too small for them.
 * @throws what `compute` throws, also where one item alone is too large
 */
export function halving<T>(count: number, compute: (size: number) => T): T {
  for (let size = count; ; size = Math.ceil(size / 2)) {
    try {
      return compute(size);
    } catch (error) {
      if (size === 1 || !isOutOfMemory(error)) throw error;
      cuda.emptyCache();
    }
  }
}

/** Whether an error says that a GPU's memory was too small. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && /CUDA out of memory/.test(error.message);
}

const bytesOf = (dtype: string): number => (dtype === "float32" ? 4 : 2);
