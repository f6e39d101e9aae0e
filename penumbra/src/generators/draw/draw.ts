import { deriveSeed, Random, scope, stack, type Tensor } from "@penumbra/torch";
import { drawImages, type ImageKind, type ImageLine, type ParentPhoto, withFile } from "../../data/index.ts";
import { GeneratorError } from "../errors.ts";
import { asBytes, asFloat } from "../trainer/photo-batches.ts";
import type { DrawingItem, DrawingWay, LoadedGenerator, PhotoArtist } from "./artist.ts";

/** One image that is wanted. */
export interface DrawingRequest {
  /** Place of the parent among the photos. */
  readonly photo: number;
  /** One of the artist's ways. */
  readonly way: string;
  /** Which of the photo's images by this way. */
  readonly variant: number;
  /** How often it was drawn before: each attempt has another seed. Default 0. */
  readonly attempt?: number;
  /** Position of the dial. Default: one of the way's, by the image's seed. */
  readonly dial?: number;
}

/** What is known of one image that a generator drew: a line of `manifest.jsonl`. */
export interface DrawnLine extends ImageLine {
  readonly way: string;
  readonly dial: number;
  /** Photo of another class and its object, where the way takes one; null elsewhere. */
  readonly partner: string | null;
  readonly partnerObject: string | null;
  /** Of the model that drew. */
  readonly modelHash: string;
}

export interface DrawOptions {
  /** Name of the generator in its table. */
  readonly generator: string;
  /** What its recipes begin with. Default: the generator's name. */
  readonly source?: string;
  readonly artist: PhotoArtist;
  readonly model: LoadedGenerator;
  readonly photos: readonly ParentPhoto[];
  /** uint8 [N, 3, S, S]: the photos, at the model's size. */
  readonly pixels: Tensor;
  readonly requests: readonly DrawingRequest[];
  readonly seed: number;
  /** Gets images/ and manifest.jsonl. */
  readonly folder: string;
  /** Images drawn at once. Default 16. */
  readonly batchSize?: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Ends it between two batches, with what is drawn written: the same call goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** The ways of an artist to draw images of a kind, of photos of so many classes that the model tells apart. */
export function waysOf(artist: PhotoArtist, kind: ImageKind, classes: number): string[] {
  return Object.entries(artist.ways)
    .filter(([, way]) => way.kind === kind && (classes > 1 || !way.needsOtherClass))
    .map(([name]) => name);
}

/** Name of a source's way among the recipes of all sources of images. */
export function recipeOf(source: string, way: string): string {
  return `${source}-${way}`;
}

/**
 * Draws images from photos with a finished model, with a line for each in `manifest.jsonl`. What is there is not drawn
 * again; an image depends on the seed, its photo, way, variant and attempt, never on what else is asked for.
 *
 * @returns the lines in the requests' order
 * @throws the signal's reason where it ended it
 * @throws GeneratorError for a photo of a class that the model does not know, of an unknown, or pixels of another size
 */
export async function drawFromPhotos(options: DrawOptions): Promise<DrawnLine[]> {
  const { model, pixels, requests, folder, batchSize, onProgress, signal } = options;
  checkPhotos(options);
  const planned = requests.map((request) => plan(options, request));
  const lines = planned.map(({ line }) => line);
  await drawImages({
    ...{ folder, lines, batchSize, onProgress, signal },
    draw: (places) =>
      scope(() => {
        const photos = asFloat(pixels);
        const images = new Map<number, Tensor>();
        for (const way of new Set(places.map((place) => planned[place]!.line.way))) {
          const those = places.filter((place) => planned[place]!.line.way === way);
          const drawn = model.draw(
            way,
            those.map((place) => planned[place]!.item),
            photos,
          );
          those.forEach((place, row) => {
            images.set(place, drawn.select(0, row));
          });
        }
        return asBytes(stack(places.map((place) => images.get(place)!))).to("cpu");
      }),
  });
  return lines;
}

function checkPhotos({ model, photos, pixels }: DrawOptions): void {
  const { imageSize: size, classes } = model;
  if (`${pixels.shape}` !== `${[photos.length, 3, size, size]}`) {
    throw new GeneratorError(
      `${photos.length} photos came with pixels of shape [${pixels.shape}], but the model draws ${size} x ${size}. Pass one image of that size for each photo.`,
    );
  }
  for (const { id, className, role } of photos) {
    if (role !== undefined && role !== "known") {
      throw new GeneratorError(
        `The photo "${id}" is a ${role} unknown and may not be drawn from: what is made of it would leak into training. Pass training photos of known classes only.`,
      );
    }
    if (classes.length === 1 || classes.includes(className)) continue;
    throw new GeneratorError(
      `The photo "${id}" is of the class "${className}", which the model has not learned (${classes.join(", ")}). Train the model on photos of this class too.`,
    );
  }
}

/** All that decides about one image: from its own seed, whatever else is drawn. */
function plan(
  { generator, source = generator, artist, model, photos, seed }: DrawOptions,
  { photo: place, way: name, variant, attempt = 0, dial: given }: DrawingRequest,
): { readonly item: DrawingItem; readonly line: DrawnLine } {
  const photo = photos[place]!;
  const way = wayOf(artist, name);
  const again = attempt === 0 ? [] : [attempt];
  const itemSeed = deriveSeed(seed, generator, photo.id, name, variant, ...again);
  const random = new Random(deriveSeed(itemSeed, "plan"));
  const dial = given ?? random.choice(way.values);
  const [least, most] = way.range;
  if (!(dial >= least && dial <= most)) {
    throw new GeneratorError(
      `The dial of "${name}" is ${dial}; it goes from ${least} to ${most} (${way.dial}). Choose a number in that range.`,
    );
  }
  const otherPlace = way.needsOtherClass ? partnerOf(photos, place, random) : place;
  const other = photos[otherPlace]!;
  const labelOf = (className: string) => Math.max(0, model.classes.indexOf(className));
  const line = withFile<DrawnLine>(
    {
      ...{
        parent: photo.id,
        parentHash: photo.hash ?? null,
        object: photo.object,
        className: photo.className,
      },
      ...{ generator, recipe: recipeOf(source, name), kind: way.kind, variant, attempt },
      ...{ wordClass: other.className, strength: way.hasStrength ? dial : null, seed: itemSeed },
      ...{ way: name, dial, modelHash: model.hash },
      partner: way.needsOtherClass ? other.id : null,
      partnerObject: way.needsOtherClass ? other.object : null,
    },
    way.needsOtherClass ? other.hash : undefined,
  );
  const item = {
    photo: place,
    otherPhoto: otherPlace,
    label: labelOf(photo.className),
    otherLabel: labelOf(other.className),
    dial,
    seed: itemSeed,
  };
  return { item, line };
}

function wayOf({ ways }: PhotoArtist, name: string): DrawingWay {
  const way = ways[name];
  if (way) return way;
  throw new GeneratorError(
    `There is no way "${name}" to draw. Choose one of: ${Object.keys(ways).join(", ")}.`,
  );
}

function partnerOf(photos: DrawOptions["photos"], place: number, random: Random): number {
  const { className, id } = photos[place]!;
  const others = photos.flatMap((photo, i) => (photo.className === className ? [] : [i]));
  if (others.length > 0) return random.choice(others);
  throw new GeneratorError(
    `"${id}" is to be mixed with a photo of another class, but there is none. Give photos of two classes or more, or leave the way out.`,
  );
}
