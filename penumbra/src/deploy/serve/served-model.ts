import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { writeFileAtomic } from "../../files/index.ts";
import { decodeImage, type ImageFormat, sniffFormat } from "../../images/index.ts";
import { type ClassifierInfo, readClassifierInfo, stackPhotos, type Verdict } from "../classifier/index.ts";
import { Batcher, type BatcherOptions, type Views } from "./batcher.ts";
import { Judge } from "./judge.ts";

export interface ServedModelOptions extends BatcherOptions {
  readonly device: string;
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
  readonly #options: ServedModelOptions;
  readonly #judge: Judge;
  readonly #batcher: Batcher;

  /** @throws DeployError when the folder holds no classifier */
  constructor(folder: string, options: ServedModelOptions) {
    this.info = readClassifierInfo(folder);
    this.#options = options;
    this.#judge = new Judge({ folder, device: options.device });
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
  async predict(files: readonly Uint8Array[]): Promise<Verdict> {
    const { imageSize, fit, interpolation, white } = this.info.preprocessing;
    const { maxPixels, keepUnknown } = this.#options;
    for (const file of files) requireServed(file);
    const views = await Promise.all(
      files.map((file) => decodeImage(file, imageSize, { fit, interpolation, white, maxPixels })),
    );
    const verdict = await this.#batcher.submit(views);
    if (verdict.isUnknown && keepUnknown !== undefined) await keep(keepUnknown, files);
    return verdict;
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

  async #judgeBatch(objects: readonly Views[]): Promise<Verdict[]> {
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

/** The views of one unknown object, as they came, in a folder of their own. */
async function keep(root: string, files: readonly Uint8Array[]): Promise<void> {
  const folder = join(root, `${new Date().toISOString().replaceAll(":", "-")}-${randomUUID().slice(0, 8)}`);
  for (const [index, file] of files.entries()) {
    const sniffed = sniffFormat(file);
    const ending = "format" in sniffed ? sniffed.format : "bin";
    await writeFileAtomic(join(folder, `${index}.${ending}`), file);
  }
}
