/** Denoising diffusion in pixels. */

import type { DrawingWay } from "../draw/artist.ts";
import type { ImageGenerator } from "../generator.ts";
import { trainOnPhotos } from "../trainer/train-on-photos.ts";
import { unetSeconds } from "../trainer/unet-settings.ts";
import { ddpmTrainee, isPublished, loadDdpm } from "./model.ts";
import { DdpmSettings } from "./settings.ts";

export * from "./losses.ts";
export { DdpmSettings } from "./settings.ts";
export { DdpmTrainee, type DdpmTraineeOptions, type Denoiser } from "./trainee.ts";

const STRENGTH = "strength: 0 = the photo as it is, 1 = almost pure noise";

const WAYS = {
  faithful: {
    title: "faithful",
    description: "A photo noised a little and denoised under its class",
    kind: "faithful",
    needsOtherClass: false,
    hasStrength: true,
    dial: STRENGTH,
    range: [0, 1],
    values: [0.2, 0.35],
  },
  drift: {
    title: "drift",
    description: "A photo noised so much that the class is lost, and denoised under it",
    kind: "near-ood",
    needsOtherClass: false,
    hasStrength: true,
    dial: STRENGTH,
    range: [0, 1],
    values: [0.7, 0.85],
  },
  crossed: {
    title: "crossed",
    description: "A photo noised and denoised under another class, between the two",
    kind: "near-ood",
    needsOtherClass: true,
    hasStrength: true,
    dial: STRENGTH,
    range: [0, 1],
    values: [0.5, 0.65],
  },
  early: {
    title: "early",
    description: "A photo noised and denoised by the network as it was early in its training",
    kind: "near-ood",
    needsOtherClass: false,
    hasStrength: true,
    dial: STRENGTH,
    range: [0, 1],
    values: [0.6, 0.75],
  },
} as const satisfies Readonly<Record<string, DrawingWay>>;

export const ddpm: ImageGenerator<DdpmSettings> = {
  title: "DDPM",
  description: "diffusion in pixels: images from noise, step by step",
  settings: DdpmSettings,
  card: {
    introduction:
      "A denoising diffusion model in pixels (Ho et al. 2020) in diffusers' layout (UNet2DModel), told the class, trained by Penumbra.",
    purpose:
      "It draws photos like the few that it has seen again, and images that lie beside them, for classifiers that must say unknown. It knows nothing of other objects.",
  },
  train: (options) => trainOnPhotos({ name: "ddpm", card: ddpm.card, isPublished }, options, ddpmTrainee),
  artist: { ways: WAYS, load: loadDdpm },
  stepSeconds: unetSeconds,
};
