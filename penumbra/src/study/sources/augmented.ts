import { deriveSeed, scope, tensor } from "@penumbra/torch";
import { z } from "zod";
import { drawImages, type ImageLine, withFile } from "../../data/index.ts";
import { type AugmentSpec, AugmentSpecSchema, augment, toUint8 } from "../../images/index.ts";
import { defineSource, type ImageRequest, type PhotoWork } from "./source.ts";

/** Its one recipe. */
export const AUGMENTED = "augmented";

/** The random changes that make a copy. */
export const ofAugment = AugmentSpecSchema.meta({
  description: "Random changes that make a copy; what is left out is off, or as the preset has it",
}).prefault({ crop: { scale: [0.6, 1] }, flip: 0.5, randAugment: {} });

const Section = z.strictObject({
  augment: ofAugment,
  variants: z.int().positive().default(2).meta({ description: "Copies of each training photo" }),
});
type Section = z.output<typeof Section>;

/**
 * Copies by classical augmentation: the control of every faithful image that a generator draws. What encoders do to
 * images at every step comes on top, as with all others.
 */
export const augmented = defineSource<
  Section,
  { readonly augment: AugmentSpec; readonly variants: number; readonly imageSize: number }
>({
  title: "augmented copies",
  description:
    "Positives that need no generator: training photos under classical augmentation (crop, flip, RandAugment)",
  kind: "faithful",
  needs: "photos",
  version: 1,
  recipes: { [AUGMENTED]: { title: "augmented", hasStrength: false, hasChance: true } },
  section: Section,
  settings: ({ config }, section) => ({ ...section, imageSize: config.imageSize }),
  requests: ({ train, settings }) =>
    train.flatMap((_, photo) =>
      Array.from(
        { length: settings.variants },
        (_, variant): ImageRequest => ({ photo, recipe: AUGMENTED, variant }),
      ),
    ),
  draw: ({ withPixels, ...work }, requests) =>
    withPixels(work.settings.imageSize, (pixels) => augmentPhotos({ ...work, pixels }, requests)),
});

/** Draws the copies that are requested and are not there yet. @returns the lines in the requests' order */
export async function augmentPhotos(
  { train, seed, settings, folder, onProgress, pixels, signal }: PhotoWork<{ readonly augment: AugmentSpec }>,
  requests: readonly ImageRequest[],
): Promise<readonly ImageLine[]> {
  const lines = requests.map(({ photo: place, variant, attempt = 0 }) => {
    const photo = train[place]!;
    const again = attempt === 0 ? [] : [attempt];
    return withFile<ImageLine>(
      {
        ...{ parent: photo.id, parentHash: photo.hash, object: photo.object, className: photo.className },
        ...{ generator: "augmentation", recipe: AUGMENTED, kind: "faithful", variant, attempt },
        ...{ wordClass: photo.className, strength: null },
        seed: deriveSeed(seed, AUGMENTED, photo.id, variant, ...again),
      },
      settings,
    );
  });
  await drawImages({
    ...{ folder, lines, onProgress, signal, batchSize: 64 },
    draw: (places) =>
      scope(() => {
        const rows = tensor(
          places.map((place) => requests[place]!.photo),
          { dtype: "int64" },
        );
        const seeds = places.map((place) => lines[place]!.seed);
        return toUint8(augment(pixels.indexSelect(0, rows), settings.augment, seeds));
      }),
  });
  return lines;
}
