import { deriveSeed, type Tensor } from "@penumbra/torch";
import { type StableDiffusion, textToImage } from "../../diffusion/index.ts";
import type { AutoencoderKL, Compute } from "../../models/index.ts";
import { spread, writeBeside, writeSheet } from "../trainer/sheets.ts";
import { PSNR, psnr, roundTrip } from "./autoencoder.ts";

/** How the samples of sheets and card are drawn. */
export const SAMPLE_OPTIONS = { steps: 20, guidanceScale: 3 } as const;

/** Held-out images that the round trip is measured on, and how many of them are shown. */
const MEASURED = 128;
const SHOWN = 32;

/** Captions at even distances of the sorted list: the same ones each time, from all over the corpus. */
export function samplePrompts(captions: readonly string[], count: number): string[] {
  const sorted = [...captions].sort();
  return Array.from({ length: count }, (_, i) => sorted[Math.floor(((i + 0.5) * sorted.length) / count)]!);
}

/** Writes a sheet of images drawn from prompts; the noise of each depends on seed, prompt and place. */
export async function writeSamples(
  sd: StableDiffusion,
  prompts: readonly string[],
  path: string,
  seed: number,
): Promise<void> {
  const images = textToImage(sd, {
    prompts,
    ...SAMPLE_OPTIONS,
    seeds: prompts.map((prompt, place) => deriveSeed(seed, "sample", prompt, place)),
  });
  await writeSheet(path, images);
  images.dispose();
}

/** Writes held-out images beside what the autoencoder makes of them, and measures the difference. */
export async function writeRoundTrips(
  vae: AutoencoderKL,
  heldOut: Tensor,
  path: string,
  { device, compute }: { device: string; compute: Compute },
): Promise<Record<string, number>> {
  const images = spread(heldOut, MEASURED);
  const others = roundTrip(vae, images, device, compute);
  const decibels = psnr(images, others);
  const [shown, shownOthers] = [spread(images, SHOWN), spread(others, SHOWN)];
  await writeBeside(path, shown, shownOthers);
  for (const each of [images, others, shown, shownOthers]) each.dispose();
  return { [PSNR]: decibels };
}
