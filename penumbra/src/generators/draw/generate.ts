import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { deriveSeed, fromTyped, Random, scope, type Tensor } from "@penumbra/torch";
import {
  decodePhotos,
  groupBy,
  IMAGE_KINDS,
  type ImageKind,
  type ImageLine,
  mapConcurrently,
  type Photo,
  readBroughtImages,
  scanPhotos,
} from "../../data/index.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { decodeImage } from "../../images/index.ts";
import type { ImageGenerator } from "../generator.ts";
import { progressLines } from "../trainer/progress-lines.ts";
import { writeSheet } from "../trainer/sheets.ts";
import type { PhotoArtist } from "./artist.ts";
import { type DrawingRequest, drawFromPhotos, waysOf } from "./draw.ts";
import type { Drawer, Hand } from "./drawer.ts";
import { photoCorpus } from "./photo-corpus.ts";
import { type ImageFeatures, PIXEL_FEATURES, type QualityFigures, qualityOf } from "./quality.ts";

/** What is asked of images, whoever makes them. */
interface MeasureOptions {
  /** Folder of photos, a folder a class. */
  readonly photos: string;
  /** Photos to compare with. Default: those that were learned from, which flatters. */
  readonly compare?: string;
  readonly kinds?: readonly ImageKind[];
  /** Gets samples.png and quality.json. */
  readonly out: string;
  /** What images are compared by. Default: pixels averaged to 8 x 8. */
  readonly features?: ImageFeatures;
  readonly onLine?: (line: string) => void;
}

export interface GenerateOptions extends MeasureOptions {
  /** Name of the generator in its table, and its entry; or of something else that draws. */
  readonly name: string;
  readonly generator: ImageGenerator | Drawer;
  /** Images of each kind. */
  readonly count: number;
  /** Gets images/ and manifest.jsonl as well, and model/ or words. */
  readonly out: string;
  /** A finished model. Default: one is trained on the photos, in `out`/model; where words are learned, penumbra-mini. */
  readonly model?: string;
  /** A finished model whose weights the training begins with. Default: random ones. */
  readonly from?: string;
  /** Of the training, or of learning words. */
  readonly settings: object;
  readonly tokenizer: string;
  readonly seed: number;
  readonly device?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Generated {
  readonly lines: readonly ImageLine[];
  readonly quality: Readonly<Partial<Record<ImageKind, QualityFigures>>>;
  /** Seconds that drawing took. */
  readonly seconds: number;
}

type PhotoGenerator = ImageGenerator & { readonly artist: PhotoArtist };

/** Images on the sheet. */
const SHOWN = 64;
/** Edge of images on the sheet that another tool made. */
const BROUGHT_SIZE = 64;

/**
 * Trains a generator on photos, or takes a finished model, or learns words for its classes, and draws images of each
 * kind from them, with a sheet and figures of how far they are from photos. Everything that is there is kept: the same
 * call goes on where it stopped.
 *
 * @returns null when the signal ended it before
 * @throws DataError for a folder without photos
 */
export async function generate(options: GenerateOptions): Promise<Generated | null> {
  const { name, generator, out, count, seed, onLine = () => {} } = options;
  const { kinds = IMAGE_KINDS, onProgress } = options;
  const { root, photos: all, white } = await scanPhotos(options.photos);
  const photos = all.filter(({ role }) => role === "known");
  const decode = (size: number) => decodePhotos(root, photos, { size, white });
  const hand =
    "hand" in generator
      ? await generator.hand({ ...options, photos, decode })
      : generator.artist
        ? await handOfArtist({ ...options, generator }, photos, decode)
        : await generator.byWords.hand({ ...options, photos, decode });
  if (hand === null) return null;
  const pixels = await decode(hand.imageSize);
  const order = classesInTurn(photos, seed);
  const requests = kinds.flatMap((kind) => requestsOf(hand.ways(kind), order, count, seed));
  const began = performance.now();
  const tell = progressLines(onLine, name, "images");
  const onDrawn = (done: number, total: number) => {
    onProgress?.(done, total);
    tell(done, total);
  };
  const lines = await hand.draw(requests, pixels, onDrawn).catch((error: unknown) => {
    if (options.signal?.aborted) return null;
    throw error;
  });
  if (lines === null) return null;
  const seconds = (performance.now() - began) / 1000;
  pixels.dispose();
  const images = lines.map((line) => ({ ...line, path: join(out, line.file) }));
  const about = { generator: name, ...(hand.hash !== null && { modelHash: hand.hash }) };
  const quality = await writeFigures(options, { images, size: hand.imageSize, about });
  onLine(`${name}: ${lines.length} images in ${out}`);
  return { lines, quality, seconds };
}

/**
 * The sheet and figures of images that another tool made, read where they lie (see `readBroughtImages`).
 * @throws DataError for a folder without images of these kinds, or images of classes that the photos do not have
 */
export async function measureImages(
  options: MeasureOptions & { readonly images: string },
): Promise<Generated["quality"]> {
  const { kinds = IMAGE_KINDS, onLine = () => {} } = options;
  const { photos, classes } = await scanPhotos(options.photos);
  const images: ShownImage[] = [];
  for (const kind of kinds) {
    const brought = await readBroughtImages(options.images, { kind, photos, classes });
    for (const problem of brought.problems) onLine(problem);
    for (const { id } of brought.images) images.push({ kind, recipe: kind, path: join(options.images, id) });
  }
  return writeFigures(options, { images, size: BROUGHT_SIZE, about: { generator: "folder" } });
}

/** The hand of a model that learned from the photos; null when the signal ended its training. */
async function handOfArtist(
  options: GenerateOptions & { readonly generator: PhotoGenerator },
  photos: readonly Photo[],
  decode: (size: number) => Promise<Tensor>,
): Promise<Hand | null> {
  const { name, generator, seed, out, device = "cpu", signal } = options;
  const { artist } = generator;
  const folder = options.model ?? (await trained(options, photoCorpus(photos, decode)));
  if (folder === null) return null;
  const classes = [...new Set(photos.map(({ className }) => className))];
  const model = artist.load(folder, { device, classes });
  return {
    imageSize: model.imageSize,
    hash: model.hash,
    ways: (kind) => waysOf(artist, kind, Math.min(model.classes.length, classes.length)),
    draw: (requests, pixels, onProgress) =>
      drawFromPhotos({
        ...{ generator: name, artist, model, photos, pixels: pixels.to(device), requests, seed, folder: out },
        ...{ onProgress, signal },
      }),
  };
}

async function trained(
  options: GenerateOptions & { readonly generator: PhotoGenerator },
  corpus: ReturnType<typeof photoCorpus>,
): Promise<string | null> {
  const { name, generator, settings, tokenizer, signal, onLine } = options;
  const out = join(options.out, "model");
  if (existsSync(join(out, "generator.json"))) {
    onLine?.(
      `${name}: draws with the model that is in ${out}; remove it, or choose another folder, to train`,
    );
    return out;
  }
  return generator.train({
    ...{ corpus, out, settings, tokenizer },
    dataNote: `The photos in "${options.photos}".`,
    ...(options.from !== undefined && { from: options.from }),
    ...(signal && { signal }),
    ...(onLine && { onLine }),
  });
}

/** Places of photos such that the classes take turns, each with its photos in an order of chance. */
function classesInTurn(photos: readonly Photo[], seed: number): number[] {
  const places = groupBy([...photos.keys()], (place) => photos[place]!.className);
  const rounds = [...places].flatMap(([name, own]) =>
    new Random(deriveSeed(seed, "order", name)).shuffle(own).map((place, round) => ({ place, round })),
  );
  return rounds.sort((a, b) => a.round - b.round).map(({ place }) => place);
}

/** So many images by the ways in turn, each of the next photo of an order, from a place of the way's own. */
function requestsOf(
  ways: readonly string[],
  order: readonly number[],
  count: number,
  seed: number,
): DrawingRequest[] {
  return Array.from({ length: count }, (_, i) => {
    const turn = Math.floor(i / ways.length);
    const start = deriveSeed(seed, "first photo", i % ways.length) % order.length;
    return {
      way: ways[i % ways.length]!,
      photo: order[(start + turn) % order.length]!,
      variant: Math.floor(turn / order.length),
    };
  });
}

/** An image for the sheet and the figures. */
interface ShownImage {
  readonly kind: ImageKind;
  /** Like lies beside like on the sheet. */
  readonly recipe: string;
  readonly path: string;
}

/** Writes the sheet and the figures of images beside photos. */
async function writeFigures(
  { photos, compare, out, kinds = IMAGE_KINDS, features = PIXEL_FEATURES, onLine = () => {} }: MeasureOptions,
  {
    images,
    size,
    about,
  }: { readonly images: readonly ShownImage[]; readonly size: number; readonly about: object },
): Promise<Generated["quality"]> {
  await mkdir(out, { recursive: true });
  const step = Math.max(1, Math.ceil(images.length / SHOWN));
  const sorted = [...images].sort((a, b) => (a.recipe < b.recipe ? -1 : Number(a.recipe > b.recipe)));
  const chosen = sorted.filter((_, i) => i % step === 0);
  const shown = await readImages(chosen, size);
  await writeSheet(join(out, "samples.png"), shown);
  shown.dispose();
  const counted = [...groupBy(chosen, ({ recipe }) => recipe)].map(
    ([recipe, some]) => `${some.length} ${recipe}`,
  );
  onLine(`${join(out, "samples.png")}: ${counted.join(", ")}, row by row`);
  const edge = features.size ?? size;
  const others = await scanPhotos(compare ?? photos);
  const known = others.photos.filter(({ role }) => role === "known");
  const pixels = await decodePhotos(others.root, known, { size: edge, white: others.white });
  const quality: Partial<Record<ImageKind, QualityFigures>> = {};
  for (const kind of kinds) {
    const drawn = await readImages(
      images.filter((image) => image.kind === kind),
      edge,
    );
    quality[kind] = scope(() => qualityOf(features.of(drawn), features.of(pixels)));
    drawn.dispose();
  }
  pixels.dispose();
  const against = compare ?? "the photos that were learned from";
  const text = { ...about, against, features: features.title, quality };
  await writeFileAtomic(join(out, "quality.json"), `${JSON.stringify(text, null, 2)}\n`);
  return quality;
}

/** uint8 [N, 3, size, size] */
async function readImages(images: readonly ShownImage[], size: number): Promise<Tensor> {
  const length = 3 * size * size;
  const pixels = new Uint8Array(images.length * length);
  await mapConcurrently(images, async ({ path }, i) => {
    pixels.set(await decodeImage(path, size), i * length);
  });
  return fromTyped(pixels, [images.length, 3, size, size]);
}
