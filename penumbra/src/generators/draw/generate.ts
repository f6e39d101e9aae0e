import { existsSync } from "node:fs";
import { join } from "node:path";
import { deriveSeed, fromTyped, scope, type Tensor } from "@penumbra/torch";
import { decodePhotos, IMAGE_KINDS, type ImageKind, type Manifest, scanPhotos } from "../../data/index.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { decodeImage } from "../../images/index.ts";
import { GeneratorError } from "../errors.ts";
import type { ImageGenerator } from "../generator.ts";
import { writeSheet } from "../trainer/sheets.ts";
import { type DrawingRequest, type DrawnLine, drawFromPhotos, waysOf } from "./draw.ts";
import { photoCorpus } from "./photo-corpus.ts";
import { pixelFeatures, type QualityFigures, qualityOf } from "./quality.ts";

export interface GenerateOptions {
  /** Name of the generator in its table, and its entry. */
  readonly name: string;
  readonly generator: ImageGenerator;
  /** Folder of photos, a folder a class. */
  readonly photos: string;
  /** Photos to compare with. Default: those that were learned from, which flatters. */
  readonly compare?: string;
  /** Images of each kind. */
  readonly count: number;
  readonly kinds?: readonly ImageKind[];
  /** Gets model/, images/, manifest.jsonl, samples.png and quality.json. */
  readonly out: string;
  /** A finished model. Default: one is trained on the photos, in `out`/model. */
  readonly model?: string;
  /** A finished model whose weights the training begins with. Default: random ones. */
  readonly from?: string;
  /** Of the training. */
  readonly settings: object;
  readonly tokenizer: string;
  readonly seed: number;
  readonly device?: string;
  readonly signal?: AbortSignal;
  readonly onLine?: (line: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Generated {
  readonly lines: readonly DrawnLine[];
  readonly quality: Readonly<Partial<Record<ImageKind, QualityFigures>>>;
  /** Seconds that drawing took. */
  readonly seconds: number;
}

/** Images on the sheet. */
const SHOWN = 64;

/**
 * Trains a generator on photos, or takes a finished model, and draws images of each kind from them, with a sheet and
 * figures of how far they are from photos. Everything that is there is kept: the same call goes on where it stopped.
 *
 * @returns null when the signal ended it before
 * @throws GeneratorError for a generator that draws by words alone; DataError for a folder without photos
 */
export async function generate(options: GenerateOptions): Promise<Generated | null> {
  const {
    name,
    generator,
    out,
    count,
    seed,
    device = "cpu",
    kinds = IMAGE_KINDS,
    onLine = () => {},
  } = options;
  const { artist } = generator;
  if (!artist) {
    throw new GeneratorError(
      `"${name}" draws by words that it learns for each class, which a study does. Choose another generator, or write a study.yaml with penumbra init.`,
    );
  }
  const manifest = await scanPhotos(options.photos);
  const photos = manifest.photos.filter(({ role }) => role === "known");
  const decode = (size: number) => decodePhotos(manifest.root, photos, { size, white: manifest.white });
  const folder = options.model ?? (await trained(options, photoCorpus(photos, decode)));
  if (folder === null) return null;
  const model = artist.load(folder, {
    device,
    classes: [...new Set(photos.map(({ className }) => className))],
  });
  for (const note of model.notes ?? []) onLine(`${name}: ${note}`);
  const pixels = await decode(model.imageSize);
  const classes = Math.min(model.classes.length, new Set(photos.map(({ className }) => className)).size);
  const requests = kinds.flatMap((kind) =>
    requestsOf(waysOf(artist, kind, classes), photos.length, count, seed),
  );
  const began = performance.now();
  const onDevice = pixels.to(device);
  const lines = await drawFromPhotos({
    ...{ generator: name, artist, model, photos, pixels: onDevice, requests, seed, folder: out },
    onProgress: options.onProgress,
  });
  const seconds = (performance.now() - began) / 1000;
  await showLines(out, lines, model.imageSize);
  const others = options.compare === undefined ? pixels : await photosOf(options.compare, model.imageSize);
  const quality = await measure(out, lines, kinds, others, model.imageSize);
  const against = options.compare ?? "the photos that were learned from";
  const features = "pixels averaged to 8 x 8";
  await writeFileAtomic(
    join(out, "quality.json"),
    `${JSON.stringify({ generator: name, modelHash: model.hash, against, features, quality }, null, 2)}\n`,
  );
  onLine(`${name}: ${lines.length} images in ${out}`);
  return { lines, quality, seconds };
}

async function trained(
  options: GenerateOptions,
  corpus: ReturnType<typeof photoCorpus>,
): Promise<string | null> {
  const { generator, settings, tokenizer, signal, onLine } = options;
  const out = join(options.out, "model");
  if (existsSync(join(out, "generator.json"))) return out;
  return generator.train({
    ...{ corpus, out, settings, tokenizer },
    dataNote: `The photos in "${options.photos}".`,
    ...(options.from !== undefined && { from: options.from }),
    ...(signal && { signal }),
    ...(onLine && { onLine }),
  });
}

/** So many images by the ways in turn, each of the next photo in an order of its own. */
function requestsOf(ways: readonly string[], photos: number, count: number, seed: number): DrawingRequest[] {
  return Array.from({ length: count }, (_, i) => {
    const turn = Math.floor(i / ways.length);
    const start = deriveSeed(seed, "first photo", i % ways.length) % photos;
    return {
      way: ways[i % ways.length]!,
      photo: (start + turn) % photos,
      variant: Math.floor(turn / photos),
    };
  });
}

async function photosOf(place: string, size: number): Promise<Tensor> {
  const { root, photos, white }: Manifest = await scanPhotos(place);
  return decodePhotos(root, photos, { size, white });
}

async function showLines(out: string, lines: readonly DrawnLine[], size: number): Promise<void> {
  const step = Math.max(1, Math.ceil(lines.length / SHOWN));
  // By way, so that like lies beside like.
  const sorted = [...lines].sort((a, b) => (a.way < b.way ? -1 : Number(a.way > b.way)));
  const images = await readImages(
    out,
    sorted.filter((_, i) => i % step === 0),
    size,
  );
  await writeSheet(join(out, "samples.png"), images);
  images.dispose();
}

async function measure(
  out: string,
  lines: readonly DrawnLine[],
  kinds: readonly ImageKind[],
  photos: Tensor,
  size: number,
): Promise<Generated["quality"]> {
  const figures: Partial<Record<ImageKind, QualityFigures>> = {};
  for (const kind of kinds) {
    const drawn = await readImages(
      out,
      lines.filter((line) => line.kind === kind),
      size,
    );
    figures[kind] = scope(() => qualityOf(pixelFeatures(drawn), pixelFeatures(photos)));
    drawn.dispose();
  }
  return figures;
}

/** uint8 [N, 3, size, size] */
async function readImages(folder: string, lines: readonly DrawnLine[], size: number): Promise<Tensor> {
  const length = 3 * size * size;
  const pixels = new Uint8Array(lines.length * length);
  for (const [i, { file }] of lines.entries())
    pixels.set(await decodeImage(join(folder, file), size), i * length);
  return fromTyped(pixels, [lines.length, 3, size, size]);
}
