/** Autoencoders with one vector of latents an image: plain, variational, beta-VAE. */

import type { DrawingWay } from "../draw/artist.ts";
import type { ImageGenerator } from "../generator.ts";
import { trainOnPhotos } from "../trainer/train-on-photos.ts";
import { loadVae, vaeTrainee } from "./model.ts";
import { AutoencoderOnlySettings, VaeSettings } from "./settings.ts";

export * from "./losses.ts";
export { VaeSettings } from "./settings.ts";
export { VaeTrainee, type VaeTraineeOptions } from "./trainee.ts";

const WAYS = {
  posterior: {
    title: "posterior",
    description: "Decoded near the photo's own latents",
    kind: "faithful",
    needsOtherClass: false,
    hasStrength: false,
    dial: "noise on the latents in standard deviations of the photo's posterior; 0 = the reconstruction",
    range: [0, 3],
    values: [0.5, 1],
  },
  noise: {
    title: "latent noise",
    description: "Decoded far from the photo's own latents",
    kind: "near-ood",
    needsOtherClass: false,
    hasStrength: false,
    dial: "noise on the latents in standard deviations of those of all photos; 0 = the reconstruction",
    range: [0, 5],
    values: [0.75, 1.25],
  },
  prior: {
    title: "prior",
    description: "Decoded from the prior, whatever the photo",
    kind: "near-ood",
    needsOtherClass: false,
    hasStrength: false,
    dial: "standard deviations of the prior; 1 = the prior itself",
    range: [0, 5],
    values: [1],
  },
  interpolation: {
    title: "interpolation",
    description: "Decoded between the latents of two classes' photos",
    kind: "near-ood",
    needsOtherClass: true,
    hasStrength: true,
    dial: "share of the other class's photo, 0 … 1",
    range: [0, 1],
    values: [0.4, 0.5, 0.6],
  },
} as const satisfies Readonly<Record<string, DrawingWay>>;

const PURPOSE =
  "It draws more images like the few that it has seen, and images that lie beside them, for classifiers that must say unknown. It knows nothing of other objects.";

/** Measured: 0.295 s on one core (AMD EPYC, bf16) for a step of 32 images of 64 pixels with the defaults. */
function stepSeconds({ batchSize, imageSize, width }: VaeSettings): number {
  return 0.295 * (batchSize / 32) * (imageSize / 64) ** 2 * (width / 32) ** 2;
}

export const vae: ImageGenerator<VaeSettings> = {
  title: "VAE",
  description: "a variational autoencoder: images from a vector of latents under a normal prior",
  settings: VaeSettings,
  card: {
    introduction:
      "A convolutional variational autoencoder (Kingma and Welling 2014), told the class, trained by Penumbra.",
    purpose: PURPOSE,
  },
  train: (options) => trainOnPhotos({ name: "vae", card: vae.card }, options, vaeTrainee),
  artist: { ways: WAYS, load: (folder, options) => loadVae(folder, "vae", options) },
  stepSeconds,
};

export const autoencoder: ImageGenerator<VaeSettings> = {
  title: "Autoencoder",
  description: "an autoencoder without a prior: images from a vector of latents",
  settings: AutoencoderOnlySettings,
  card: {
    introduction: "A convolutional autoencoder, told the class, trained by Penumbra.",
    purpose: PURPOSE,
  },
  train: (options) => trainOnPhotos({ name: "autoencoder", card: autoencoder.card }, options, vaeTrainee),
  artist: { ways: WAYS, load: (folder, options) => loadVae(folder, "autoencoder", options) },
  stepSeconds,
};
