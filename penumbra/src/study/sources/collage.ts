import { deriveSeed, fromTyped } from "@penumbra/torch";
import { Random } from "@penumbra/torch/random";
import { z } from "zod";
import { drawImages, type ImageLine, type Photo, withFile } from "../../data/index.ts";
import { elastic } from "./elastic.ts";
import { blend, cutMix, jigsaw, patches, type SquareImages } from "./mixing.ts";
import { defineSource, type ImageRequest, type PhotoWork } from "./source.ts";

type Mix = (images: SquareImages, index: number, partner: number, random: Random) => Uint8Array;

interface MixRecipe {
  readonly title: string;
  readonly description: string;
  /** Whether it mixes with a photo of another class. */
  readonly needsPartner: boolean;
  /** Images of each training photo where nothing is said. */
  readonly usual: number;
  readonly mix: Mix;
}

/** The ways to make an image of no class out of photos alone. */
const MIXES = {
  jigsaw: {
    title: "jigsaw",
    description: "A photo's tiles in another order",
    needsPartner: false,
    usual: 1,
    mix: (images, index, _, random) => jigsaw(images, index, random),
  },
  cutmix: {
    title: "CutMix",
    description: "A box of a photo of another class in its place",
    needsPartner: true,
    usual: 1,
    mix: cutMix,
  },
  blend: {
    title: "blend",
    description: "A photo of another class laid over it",
    needsPartner: true,
    usual: 1,
    mix: blend,
  },
  patches: {
    title: "patches",
    description: "Small patches of a photo of another class in other places",
    needsPartner: true,
    usual: 1,
    mix: patches,
  },
  elastic: {
    title: "elastic",
    description: "A photo bent until its shape is gone",
    needsPartner: false,
    // What docs/evidence.md measured goes without.
    usual: 0,
    mix: (images, index, _, random) => elastic(images, index, random),
  },
} as const satisfies Readonly<Record<string, MixRecipe>>;

type MixName = keyof typeof MIXES;
const mixNames = Object.keys(MIXES) as MixName[];

const Section = z.strictObject(
  Object.fromEntries(
    mixNames.map((name) => [
      name,
      z
        .int()
        .nonnegative()
        .meta({ description: `${MIXES[name].description}: images of each training photo` })
        .default(MIXES[name].usual),
    ]),
  ) as Record<MixName, z.ZodDefault<z.ZodInt>>,
);
type Section = z.output<typeof Section>;

/** Images that no generator draws: the control of every negative that one does. */
export const collage = defineSource<Section, Partial<Section> & { readonly imageSize: number }>({
  title: "collages",
  description: "Negatives that need no generator: training photos cut up, bent and mixed across classes",
  kind: "near-ood",
  needs: "photos",
  version: 1,
  recipes: Object.fromEntries(
    mixNames.map((name) => [name, { title: MIXES[name].title, hasStrength: false, hasChance: true }]),
  ),
  section: Section,
  // A way that makes none decides about nothing: sections from before it was there have the same images.
  settings: ({ config }, section) => ({
    ...Object.fromEntries(Object.entries(section).filter(([, count]) => count > 0)),
    imageSize: config.imageSize,
  }),
  requests: ({ train, settings, study }) =>
    train.flatMap((_, photo) =>
      mixesOf(study.classes.length).flatMap((recipe) =>
        Array.from(
          { length: settings[recipe] ?? 0 },
          (_, variant): ImageRequest => ({ photo, recipe, variant }),
        ),
      ),
    ),
  draw: ({ withPixels, ...work }, requests) =>
    withPixels(work.settings.imageSize, (pixels) => drawMixes({ ...work, pixels }, requests)),
});

/** The ways to mix photos of so many classes. */
export function mixesOf(classes: number): MixName[] {
  return mixNames.filter((name) => classes > 1 || !MIXES[name].needsPartner);
}

/** Draws the collages that are requested and are not there yet. @returns the lines in the requests' order */
export async function drawMixes(
  { train, seed, folder, onProgress, pixels, signal }: Omit<PhotoWork, "settings">,
  requests: readonly ImageRequest[],
): Promise<readonly ImageLine[]> {
  const size = pixels.shape[2]!;
  const images = { pixels: pixels.toTyped() as Uint8Array, size };
  const planned = requests.map((request) => plan(train, request, seed));
  const lines = planned.map(({ line }) => line);
  await drawImages({
    ...{ folder, lines, onProgress, signal, batchSize: 64 },
    draw(places) {
      const length = 3 * size * size;
      const drawn = new Uint8Array(places.length * length);
      for (const [row, place] of places.entries()) {
        const { mix, index, partner, random } = planned[place]!;
        drawn.set(mix(images, index, partner, random()), row * length);
      }
      return fromTyped(drawn, [places.length, 3, size, size]);
    },
  });
  return lines;
}

/** All that decides about one image: from its own seed, whatever else is drawn. */
function plan(
  train: readonly Photo[],
  { photo: index, recipe: name, variant, attempt = 0 }: ImageRequest,
  seed: number,
) {
  const photo = train[index]!;
  const recipe: MixRecipe = MIXES[name as MixName];
  const again = attempt === 0 ? [] : [attempt];
  const itemSeed = deriveSeed(seed, "collage", photo.id, name, variant, ...again);
  const choosing = new Random(deriveSeed(itemSeed, "partner"));
  const others = train.flatMap((other, place) => (other.className === photo.className ? [] : [place]));
  const partner = recipe.needsPartner ? choosing.choice(others) : index;
  const other = recipe.needsPartner ? train[partner]! : null;
  const line = withFile<ImageLine>(
    {
      ...{ parent: photo.id, parentHash: photo.hash, object: photo.object, className: photo.className },
      ...{ generator: "collage", recipe: name, kind: "near-ood", variant, attempt },
      ...{ wordClass: other?.className ?? photo.className, strength: null, seed: itemSeed },
      partner: other?.id ?? null,
    },
    other?.hash,
  );
  return { line, index, partner, mix: recipe.mix, random: () => new Random(deriveSeed(itemSeed, "mix")) };
}
