import { deriveSeed } from "@penumbra/torch";
import { z } from "zod";
import type { Drawer, DrawingRequest } from "../../generators/index.ts";
import { AUGMENTED, augmentPhotos, ofAugment } from "./augmented.ts";
import { drawMixes, mixesOf } from "./collage.ts";

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
        const isCopy = ({ way }: DrawingRequest) => way === AUGMENTED;
        const [copies, mixes] = [requests.filter(isCopy), requests.filter((request) => !isCopy(request))].map(
          (some) => some.map(({ way, photo, variant }) => ({ recipe: way, photo, variant })),
        ) as [Request[], Request[]];
        const tell = (before: number) => (done: number) => onProgress(before + done, requests.length);
        const drawn = [
          ...(await augmentPhotos({ ...common, settings: { augment }, onProgress: tell(0) }, copies)),
          ...(await drawMixes({ ...common, onProgress: tell(copies.length) }, mixes)),
        ];
        return drawn;
      },
    };
  },
};

type Request = { readonly recipe: string; readonly photo: number; readonly variant: number };
