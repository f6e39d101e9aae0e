/** Generative adversarial networks: a generator and a discriminator that learn against each other. */

import type { DrawingWay } from "../draw/artist.ts";
import type { ImageGenerator } from "../generator.ts";
import { trainOnPhotos } from "../trainer/train-on-photos.ts";
import { ganTrainee, loadGan } from "./model.ts";
import { GanSettings } from "./settings.ts";

export * from "./losses.ts";
export { GanSettings } from "./settings.ts";
export { GanTrainee, type GanTraineeOptions } from "./trainee.ts";

const WAYS = {
  truncated: {
    title: "truncated",
    description: "Drawn from latents near the middle, where images are most like the class",
    kind: "faithful",
    needsOtherClass: false,
    hasStrength: false,
    dial: "largest latent number in standard deviations (the truncation trick)",
    range: [0.05, 4],
    values: [0.5, 0.8],
  },
  untruncated: {
    title: "untruncated",
    description: "Drawn from latents as they come, or stretched",
    kind: "near-ood",
    needsOtherClass: false,
    hasStrength: false,
    dial: "standard deviation of the latents; 1 = as in training",
    range: [0.05, 5],
    values: [1, 1.5],
  },
  mixed: {
    title: "mixed classes",
    description: "Drawn under a mixture of two classes' vectors",
    kind: "near-ood",
    needsOtherClass: true,
    hasStrength: false,
    dial: "share of the other class, 0 … 1",
    range: [0, 1],
    values: [0.4, 0.5, 0.6],
  },
  early: {
    title: "early",
    description: "Drawn by the network as it was early in its training",
    kind: "near-ood",
    needsOtherClass: false,
    hasStrength: false,
    dial: "standard deviation of the latents; 1 = as in training",
    range: [0.05, 5],
    values: [1],
  },
} as const satisfies Readonly<Record<string, DrawingWay>>;

export const gan: ImageGenerator<GanSettings> = {
  title: "GAN",
  description: "a generative adversarial network: images from normal numbers, taught by a discriminator",
  settings: GanSettings,
  card: {
    introduction:
      "A generative adversarial network (Goodfellow et al. 2014), told the class, with differentiable augmentation for few photos, trained by Penumbra.",
    purpose:
      "It draws more images like the few that it has seen, and images that lie beside them, for classifiers that must say unknown. It knows nothing of other objects.",
  },
  train: (options) => trainOnPhotos({ name: "gan", card: gan.card }, options, ganTrainee),
  artist: { ways: WAYS, load: loadGan },
  // Measured: 0.278 s on one core (AMD EPYC, bf16) for a step of 16 images of 64 pixels with the defaults.
  stepSeconds: ({ batchSize, imageSize, width, discriminatorSteps, architecture }) =>
    0.278 *
    (batchSize / 16) *
    (imageSize / 64) ** 2 *
    (width / 32) ** 2 *
    ((1 + discriminatorSteps) / 2) *
    (architecture === "residual" ? 2 : 1),
};
