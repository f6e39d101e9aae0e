import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromTyped, resolvePrecision, scope, stack, type Tensor } from "@penumbra/torch";
import { readJsonLines } from "../../files/index.ts";
import { contactSheet, decodeWhole, encodePng, encodeWebp, toUint8 } from "../../images/index.ts";
import { DiffusionError, type WordVector } from "../model/index.ts";
import {
  beginImageToImage,
  beginTextToImage,
  DENOISING,
  type Drawing,
  defaultSampler,
  denoiserSlice,
  type FolderDrawing,
  readySampler,
  resolveStrength,
  smallestStrength,
  takeSteps,
  withKept,
} from "../samplers/index.ts";
import type { Provenance } from "./provenance.ts";

/** An image to be drawn. */
export interface DrawRequest {
  readonly prompt: string;
  readonly seed: number;
  /** The photo to redraw; none: from the prompt alone. */
  readonly photo?: DrawnPhoto;
}

/** A photo at the size that it is drawn at. */
export interface DrawnPhoto {
  readonly name: string;
  /** SHA-256 of its file. */
  readonly hash: string;
  /** uint8 [3, H, W] */
  readonly pixels: Tensor;
  readonly strength: number;
  /** [1, H, W], 1 where it is kept; with what is kept, in words. */
  readonly kept?: { readonly mask: Tensor; readonly what: string };
}

/** How requests become files. In the folder lie sheet.png and, while it works, preview.png too. */
export interface DrawToFilesOptions extends FolderDrawing {
  /** As people call the model. */
  readonly modelName: string;
  readonly requests: readonly DrawRequest[];
  /** Words of one's own that the prompts hold. */
  readonly words?: readonly WordVector[];
  /** Default "". */
  readonly negativePrompt?: string;
  /** [height, width] in pixels of images from prompts; default the model's. */
  readonly size?: readonly [number, number];
  /** Default "png". */
  readonly format?: "png" | "webp";
  /** Steps from one preview to the next; default none. */
  readonly previewEvery?: number;
  /** Images in a row of the sheet. Default 4. */
  readonly columns?: number;
  /** Images that are there, of all; in `step` of `steps` of the batch that is drawn. */
  readonly onProgress?: (progress: { done: number; total: number; step: number; steps: number }) => void;
}

/** An image in the folder, and how it was made: a line of manifest.jsonl. */
export interface DrawnImage extends Provenance {
  readonly file: string;
}

/**
 * Draws images into a folder. Each says in its metadata, and in a line of `manifest.jsonl`, how it was made. Names are
 * hashes of that: what is there already is not drawn again. Files are written while the next batch is drawn.
 *
 * @returns the images in the order of the requests
 * @throws DiffusionError for strengths that take no step, requests of different sizes, and as the pipelines; the signal's
 *   reason where it ends the work: the images so far are whole
 */
export async function drawToFiles(options: DrawToFilesOptions): Promise<DrawnImage[]> {
  const { folder, requests, onProgress, columns = 4 } = options;
  const drawn = requests.map((request) => ({ request, line: describe(options, request) }));
  await mkdir(folder, { recursive: true });
  const known = await knownIn(folder);
  const missing = drawn.filter(({ line }) => !known.has(line.file));
  let done = drawn.length - missing.length;
  const size = batchSizeOf(options, missing.length);
  let writing = Promise.resolve();
  try {
    for (let start = 0; start < missing.length; start += size) {
      const batch = missing.slice(start, start + size);
      const images = await drawBatch(options, batch, (step, steps) =>
        onProgress?.({ done, total: drawn.length, step, steps }),
      );
      await writing;
      writing = writeImages(options, batch, images);
      done += batch.length;
    }
  } finally {
    await writing;
    await rm(join(folder, "preview.png"), { force: true });
  }
  onProgress?.({ done, total: drawn.length, step: 0, steps: 0 });
  await writeSheet(folder, drawn, columns);
  return drawn.map(({ line }) => line);
}

interface Described {
  readonly request: DrawRequest;
  readonly line: DrawnImage;
}

async function knownIn(folder: string): Promise<Set<string>> {
  const file = join(folder, "manifest.jsonl");
  if (!existsSync(file)) return new Set();
  const lines = await readJsonLines<DrawnImage>(file);
  return new Set(lines.map((line) => line.file).filter((name) => existsSync(join(folder, name))));
}

function describe(options: DrawToFilesOptions, { prompt, seed, photo }: DrawRequest): DrawnImage {
  const { sd, modelName, words = [], negativePrompt = "", format = "png" } = options;
  const { steps = DENOISING.steps, guidanceScale = DENOISING.guidanceScale } = options;
  const { precision = DENOISING.precision } = options;
  const sampler = readySampler(options.sampler ?? defaultSampler(sd.schedulerConfig));
  const side = sd.imageSize;
  const strength = photo && resolveStrength(sd.schedulerConfig, steps, photo.strength, sampler.choice);
  if (photo && strength?.calls === 0) {
    throw new DiffusionError(
      `The strength ${photo.strength} takes no step of ${steps}: the image would be the photo again. Give ${smallestStrength(steps)} or more, or more steps.`,
    );
  }
  const used = words.filter(({ token }) => prompt.includes(token) || negativePrompt.includes(token));
  const provenance: Provenance = {
    ...{ penumbra: 1, prompt, negativePrompt },
    words: used.map(({ token, vector }) => ({ token, hash: vectorHash(vector) })),
    seed,
    size: photo ? (photo.pixels.shape.slice(1) as [number, number]) : (options.size ?? [side, side]),
    ...{ steps, guidanceScale, sampler: sampler.choice },
    calls: strength?.calls ?? sampler.walk(sd.schedulerConfig, steps).timesteps.length,
    ...{ model: modelName, modelHash: sd.hash },
    dtype: resolvePrecision(precision, sd.device).dtype,
    ...(photo &&
      strength && {
        redraw: {
          ...{ photo: photo.name, photoHash: photo.hash, strength: photo.strength },
          ...{ timestep: strength.timestep, signal: strength.signal, noise: strength.noise },
          ...(photo.kept && { kept: photo.kept.what }),
        },
      }),
  };
  const hash = createHash("sha256").update(JSON.stringify(provenance)).digest("hex");
  return { file: `${seed}-${hash.slice(0, 12)}.${format}`, ...provenance };
}

function vectorHash(vector: Tensor): string {
  const numbers = scope(() => vector.to("cpu").to("float32").contiguous().toTyped());
  return createHash("sha256").update(numbers).digest("hex").slice(0, 20);
}

function batchSizeOf(
  {
    sd,
    guidanceScale = DENOISING.guidanceScale,
    batchSize = DENOISING.batchSize,
    size,
    requests,
  }: DrawToFilesOptions,
  count: number,
) {
  const photo = requests[0]?.photo;
  const pixels = photo ? photo.pixels.shape.slice(1) : (size ?? [sd.imageSize, sd.imageSize]);
  const latents = pixels.map((side) => side / sd.vae.factor);
  return denoiserSlice(sd, latents, Math.max(1, Math.min(batchSize, count)), guidanceScale > 1);
}

/** float32 [B, 3, H, W] in 0..1 */
async function drawBatch(
  options: DrawToFilesOptions,
  batch: readonly Described[],
  onStep: (step: number, steps: number) => void,
): Promise<Tensor> {
  const { previewEvery, folder, signal } = options;
  const { drawing, finish, held } = beginBatch(options, batch);
  try {
    const images = await takeSteps(drawing, {
      signal,
      onStep: async ({ done, total }) => {
        onStep(done, total);
        if (previewEvery === undefined || done % previewEvery !== 0) return;
        const sheet = scope(() => contactSheet(finish(drawing.preview()), { columns: 4 }));
        await encodePng(sheet, join(folder, "preview.png"));
        sheet.dispose();
      },
    });
    const finished = scope(() => finish(images));
    if (finished !== images) images.dispose();
    return finished;
  } finally {
    for (const each of [drawing, ...held]) each[Symbol.dispose]();
  }
}

/** A batch on its way, and what is to be done with its images at the end. */
function beginBatch(
  options: DrawToFilesOptions,
  batch: readonly Described[],
): { drawing: Drawing; finish: (images: Tensor) => Tensor; held: readonly Tensor[] } {
  const { sd, words, negativePrompt, steps, guidanceScale, precision, sampler } = options;
  const generation = {
    ...{ words, negativePrompt, steps, guidanceScale, precision, sampler },
    prompts: batch.map(({ request }) => request.prompt),
    seeds: batch.map(({ request }) => request.seed),
  };
  const photos = batch.flatMap(({ request }) => request.photo ?? []);
  if (photos.length === 0)
    return {
      drawing: beginTextToImage(sd, { ...generation, size: options.size }),
      finish: (images) => images,
      held: [],
    };
  if (photos.length < batch.length || new Set(photos.map(({ pixels }) => pixels.shape.join())).size > 1)
    throw new DiffusionError("One call draws photos of one size, or prompts alone. Call it once for each.");
  const { images01, kept } = joined(photos);
  const strengths = photos.map(({ strength }) => strength);
  const drawing = beginImageToImage(sd, images01, { ...generation, strengths, kept });
  const held = kept ? [images01, kept] : [images01];
  return { drawing, finish: (images) => withKept(images, images01, kept), held };
}

function joined(photos: readonly DrawnPhoto[]): { images01: Tensor; kept: Tensor | undefined } {
  return scope(() => {
    const images01 = stack(photos.map(({ pixels }) => pixels.to("cpu")))
      .to("float32")
      .div(255);
    if (photos.every(({ kept }) => kept === undefined)) return { images01, kept: undefined };
    const masks = photos.map(({ kept, pixels }) =>
      kept ? kept.mask.to("float32") : pixels.narrow(0, 0, 1).to("float32").mul(0),
    );
    return { images01, kept: stack(masks) };
  });
}

async function writeImages(
  { folder, format = "png" }: DrawToFilesOptions,
  batch: readonly Described[],
  images: Tensor,
): Promise<void> {
  const slices = scope(() => toUint8(images).to("cpu").unbind());
  images.dispose();
  await Promise.all(
    batch.map(async ({ line: { file, ...provenance } }, i) => {
      const options = { description: JSON.stringify(provenance) };
      const path = join(folder, file);
      if (format === "png") await encodePng(slices[i]!, path, options);
      else await encodeWebp(slices[i]!, path, { ...options, lossless: true });
    }),
  );
  for (const slice of slices) slice.dispose();
  const lines = batch.map(({ line }) => `${JSON.stringify(line)}\n`);
  await appendFile(join(folder, "manifest.jsonl"), lines.join(""));
}

/** More do not fit on a screen. */
const MOST_ON_SHEET = 96;

/** One picture of all images; those of a photo in a row behind it. */
async function writeSheet(folder: string, drawn: readonly Described[], columns: number): Promise<void> {
  const rows = sheetRows(drawn.slice(0, MOST_ON_SHEET), columns);
  const wide = Math.max(...rows.map((row) => row.length));
  const cells: Tensor[] = [];
  for (const row of rows) {
    for (const cell of row)
      cells.push(typeof cell === "string" ? await pictureIn(join(folder, cell)) : cell.to("cpu"));
    // An empty place is as white as the sheet.
    while (cells.length % wide !== 0) cells.push(cells.at(-1)!.mul(0).add(255));
  }
  const sheet = scope(() => contactSheet(stack(cells), { columns: wide }));
  await encodePng(sheet, join(folder, "sheet.png"));
  for (const each of [sheet, ...cells]) each.dispose();
}

/** Names of files, and photos before those that were made of them. */
function sheetRows(drawn: readonly Described[], columns: number): (string | Tensor)[][] {
  const rows: (string | Tensor)[][] = [];
  let photo: Tensor | undefined;
  for (const { request, line } of drawn) {
    const pixels = request.photo?.pixels;
    if (pixels && pixels !== photo) rows.push([pixels, line.file]);
    else if (!pixels && (rows.at(-1)?.length ?? columns) >= columns) rows.push([line.file]);
    else rows.at(-1)!.push(line.file);
    photo = pixels;
  }
  return rows;
}

async function pictureIn(path: string): Promise<Tensor> {
  const { data, width, height } = await decodeWhole(path);
  return scope(() => fromTyped(data, [height, width, 3]).permute([2, 0, 1]).contiguous());
}
