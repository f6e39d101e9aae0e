import { deriveSeed } from "@penumbra/torch";
import { z } from "zod";
import type { Drawer } from "../../generators/index.ts";
import { AUGMENTED, augmentPhotos, ofAugment } from "./augmented.ts";
import { drawMixes, mixesOf } from "./collage.ts";
import type { ImageRequest } from "./source.ts";

const Settings = z.strictObject({
  seed: z.int().nonnegative().default(0),
  device: z.literal("cpu", { error: "photos are cut and mixed on the cpu" }).default("cpu"),
  imageSize: z.int().positive().default(64).describe("Edge of its images in pixels."),
  augment: ofAugment,
});

/**
 * No generator: photos under classical augmentation as faithful images, photos cut up, bent and mixed as near-OOD ones.
 * What a generator draws must be better than these.
 */
export const withoutGenerator: Drawer = {
  settings: Settings,
  hand: async ({ photos: train, out: folder, seed, settings, signal }) => {
    const { imageSize, augment } = Settings.parse(settings);
    const classes = new Set(train.map(({ className }) => className)).size;
    return {
      imageSize,
      hash: null,
      ways: (kind) => (kind === "faithful" ? [AUGMENTED] : mixesOf(classes)),
      draw: async (requests, pixels, onProgress) => {
        const own = deriveSeed(seed, "without a generator", imageSize);
        const common = { train, folder, pixels, signal, seed: own };
        const all = requests.map(
          ({ way, photo, variant }): ImageRequest => ({ recipe: way, photo, variant }),
        );
        const copies = all.filter(({ recipe }) => recipe === AUGMENTED);
        const mixes = all.filter(({ recipe }) => recipe !== AUGMENTED);
        const tell = (before: number) => (done: number) => onProgress(before + done, requests.length);
        return [
          ...(await augmentPhotos({ ...common, settings: { augment }, onProgress: tell(0) }, copies)),
          ...(await drawMixes({ ...common, onProgress: tell(copies.length) }, mixes)),
        ];
      },
    };
  },
};
