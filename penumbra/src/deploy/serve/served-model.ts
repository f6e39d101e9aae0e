import { decodeImage, type ImageFormat, reasonOf, sniffFormat } from "../../images/index.ts";
import {
  type ArrivedObject,
  type ClassifierInfo,
  type GalleryPhoto,
  keepUnknown,
  loadGallery,
  readClassifierInfo,
  stackPhotos,
  type Verdict,
  type WatchAnswer,
} from "../classifier/index.ts";
import { Batcher, type BatcherOptions, QueueFullError, type Views } from "./batcher.ts";
import { Judge, type ServedVerdict } from "./judge.ts";

export interface ServedModelOptions extends BatcherOptions {
  readonly device: string;
  /** Which of the classifier's detectors says unknown. Default: the one that its training chose. */
  readonly detector?: string;
  /** Images of more pixels are refused. */
  readonly maxPixels: number;
  /** Where the photos of unknown objects are kept; without it they are not. */
  readonly keepUnknown?: string;
}

/** Formats that decode beside the event loop and tell their size before; the others are for the command line. */
const SERVED_FORMATS: ReadonlySet<ImageFormat> = new Set(["jpeg", "png", "webp", "gif", "tiff", "avif"]);

/** Thrown for what is no image, or of a format that is not served. */
export class MediaTypeError extends Error {
  override readonly name = "MediaTypeError";
}

/** A classifier in service: photos in, a verdict out, judged in batches in a thread of its own. */
export class ServedModel {
  readonly info: ClassifierInfo;
  /** Small pictures of the photos that it learned from. */
  readonly gallery: readonly GalleryPhoto[];
  readonly #options: ServedModelOptions;
  readonly #judge: Judge;
  readonly #batcher: Batcher;

  /** @throws DeployError when the folder holds no classifier, or it has no such detector */
  constructor(folder: string, options: ServedModelOptions) {
    this.info = readClassifierInfo(folder, options);
    using gallery = loadGallery(folder);
    this.gallery = gallery.photos;
    this.#options = options;
    this.#judge = new Judge({ folder, device: options.device, detector: this.info.detector });
    this.#batcher = new Batcher((objects) => this.#judgeBatch(objects), options);
  }

  /** Photos that wait for the network. */
  get queue(): number {
    return this.#batcher.length;
  }

  /**
   * Judges one object by its views, the bytes of image files.
   * @throws MediaTypeError, ImageError, QueueFullError
   */
  async predict(files: readonly Uint8Array[]): Promise<ServedVerdict> {
    for (const file of files) requireServed(file);
    const views = await Promise.all(files.map((file) => this.#decode(file)));
    const verdict = await this.#batcher.submit(views);
    await this.#keep(files, verdict);
    return verdict;
  }

  /** Judges an object by those of its photos that can be read, however long the queue is. */
  async judge({ photos }: ArrivedObject): Promise<WatchAnswer> {
    const unreadable: { photo: number; reason: string }[] = [];
    const views: Uint8Array[] = [];
    for (const [photo, file] of photos.entries()) {
      try {
        requireServed(file);
        views.push(await this.#decode(file));
      } catch (error) {
        unreadable.push({ photo, reason: reasonOf(error) });
      }
    }
    if (views.length === 0) return { verdict: null, unreadable };
    const { neighbours: _, ...verdict } = await this.#submitPatiently(views);
    await this.#keep(photos, verdict);
    return { verdict, unreadable };
  }

  async #submitPatiently(views: Views): Promise<ServedVerdict> {
    for (;;) {
      try {
        return await this.#batcher.submit(views);
      } catch (error) {
        const waits = error instanceof QueueFullError && this.#batcher.length > 0;
        if (!waits) throw error;
        await this.#batcher.drained();
      }
    }
  }

  #decode(file: Uint8Array): Promise<Uint8Array> {
    const { imageSize, fit, interpolation, white } = this.info.preprocessing;
    const { maxPixels } = this.#options;
    return decodeImage(file, imageSize, { fit, interpolation, white, maxPixels });
  }

  async #keep(files: readonly Uint8Array[], { isUnknown }: Verdict): Promise<void> {
    const { keepUnknown: root } = this.#options;
    if (isUnknown && root !== undefined) await keepUnknown(root, files);
  }

  /** Loads the classifier by judging a blank photo: after that the first request waits no longer than the others. */
  async warmUp(): Promise<void> {
    const { imageSize } = this.info.preprocessing;
    await this.#batcher.submit([new Uint8Array(3 * imageSize * imageSize)]);
  }

  /** Ends when all that was submitted is judged. */
  async close(): Promise<void> {
    await this.#batcher.drained();
    await this.#judge.close();
  }

  async #judgeBatch(objects: readonly Views[]): Promise<ServedVerdict[]> {
    const batch = stackPhotos(objects.flat(), this.info.preprocessing);
    try {
      return await this.#judge.judge(
        batch,
        objects.map((object) => object.length),
      );
    } finally {
      batch.dispose();
    }
  }
}

function requireServed(file: Uint8Array): void {
  const sniffed = sniffFormat(file);
  if ("refusal" in sniffed) throw new MediaTypeError(`The image cannot be read: ${sniffed.refusal}.`);
  if (!SERVED_FORMATS.has(sniffed.format)) {
    throw new MediaTypeError(
      `The image is a ${sniffed.format.toUpperCase()} file, which is not served. Send ${[...SERVED_FORMATS].join(", ")}.`,
    );
  }
}
