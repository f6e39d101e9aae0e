/** unCLIP: images from embeddings, embeddings from photos or words. */

import type { DrawingWay } from "../draw/artist.ts";
import type { ImageGenerator } from "../generator.ts";
import { trainOnPhotos } from "../trainer/train-on-photos.ts";
import { unetSeconds } from "../trainer/unet-settings.ts";
import { loadUnclip, unclipTraining } from "./model.ts";
import { isPublished } from "./parts.ts";
import { UnclipSettings } from "./settings.ts";

export * from "./draw.ts";
export { infoNce } from "./info-nce.ts";
export { newUnclip, readUnclip, tokensOf, type UnclipParts, writeUnclip } from "./parts.ts";
export { UnclipSettings } from "./settings.ts";
export { slerp, textDifference } from "./slerp.ts";
export {
  copySuperResolution,
  enlarge,
  readSuperResolution,
  type SuperResolution,
} from "./super-resolution.ts";

const WAYS = {
  variation: {
    title: "variation",
    description: "Decoded from the photo's own embedding",
    kind: "faithful",
    needsOtherClass: false,
    hasStrength: true,
    dial: "strength: 0 = the photo as it is, 1 = from noise, by the photo's embedding alone",
    range: [0, 1],
    values: [0.6, 1],
  },
  drift: {
    title: "drift",
    description: "Decoded from the photo's embedding turned towards a random one",
    kind: "near-ood",
    needsOtherClass: false,
    hasStrength: true,
    dial: "share of the way on the sphere to a random embedding: 0 = the photo's own, 1 = the random one",
    range: [0, 1],
    values: [0.4, 0.6],
  },
  interpolation: {
    title: "interpolation",
    description: "Decoded between the embeddings of two classes' photos, on the sphere",
    kind: "near-ood",
    needsOtherClass: true,
    hasStrength: true,
    dial: "share of the way on the sphere to the other class's photo, 0 … 1",
    range: [0, 1],
    values: [0.4, 0.5, 0.6],
  },
  "text-difference": {
    title: "text difference",
    description:
      "Decoded from the photo's embedding turned by what tells the other class's words from its own",
    kind: "near-ood",
    needsOtherClass: true,
    hasStrength: true,
    dial: "share of the way on the sphere to the direction of the texts' difference, 0 … 1",
    range: [0, 1],
    values: [0.25, 0.375, 0.5],
  },
  crossed: {
    title: "crossed words",
    description:
      "Decoded from an embedding that the prior draws from the words of two classes, whatever the photo",
    kind: "near-ood",
    needsOtherClass: true,
    hasStrength: false,
    dial: "share of the other class's words, 0 … 1",
    range: [0, 1],
    values: [0.5],
  },
} as const satisfies Readonly<Record<string, DrawingWay>>;

export const unclip: ImageGenerator<UnclipSettings> = {
  title: "unCLIP",
  description: "images from embeddings of photos or of words, through a small CLIP of its own",
  settings: UnclipSettings,
  card: {
    introduction:
      "unCLIP (Ramesh et al. 2022) in diffusers' layout: encoders of images and texts to one space, a prior from texts to images' embeddings, a decoder in pixels; trained by Penumbra.",
    purpose:
      "It draws variations of photos like the few that it has seen, and images that lie beside them, for classifiers that must say unknown. It knows nothing of other objects.",
  },
  train: (options) =>
    trainOnPhotos({ name: "unclip", card: unclip.card, isPublished }, options, unclipTraining),
  artist: { ways: WAYS, load: loadUnclip },
  // Its first parts' steps cost less than the decoder's: the share that they take in steps is counted as none in time.
  stepSeconds: (settings) => (1 - settings.clipShare - settings.priorShare) * unetSeconds(settings),
};
