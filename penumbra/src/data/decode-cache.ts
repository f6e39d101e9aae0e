import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fromTyped, type Tensor } from "@penumbra/torch";
import { writeFileAtomic } from "../files/index.ts";
import {
  type DecodeOptions,
  decodeImage,
  type Fit,
  FULL_DEPTH,
  type Interpolation,
  type Rgb,
  type White,
} from "../images/index.ts";
import { mapConcurrently } from "./concurrent.ts";
import { DataError } from "./errors.ts";
import { contentHash } from "./inspect.ts";
import { readPhoto } from "./sources/index.ts";
import type { Photo } from "./types.ts";

export interface DecodePhotosOptions {
  /** Side of the square that every photo becomes, in pixels. */
  readonly size: number;
  readonly fit?: Fit;
  /** Default "lanczos3". */
  readonly interpolation?: Interpolation;
  readonly background?: Rgb;
  /** What is white in photos of 16 bits and of floats: the manifest's. Default: 65535, and 1. */
  readonly white?: White;
  /** Where decoded pixels are kept; without it nothing is kept. Safe to share between processes and to delete. */
  readonly cacheFolder?: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Bump when the same file and options would give other pixels. */
const VERSION = 3;

/**
 * Decodes photos to one uint8 tensor, several at a time. Each photo's pixels are kept in a file of their own, named
 * by what the photo's file holds and by the options, so an interrupted run goes on where it stopped, and a file that
 * is renamed or copied is not decoded again.
 *
 * @param root the manifest's root
 * @returns uint8 [N, 3, size, size] on the CPU, in the order of `photos`
 * @throws DataError when a file changed or vanished after the scan
 */
export async function decodePhotos(
  root: string,
  photos: readonly Photo[],
  {
    size,
    fit = "squash",
    interpolation = "lanczos3",
    background = [255, 255, 255],
    white = FULL_DEPTH,
    cacheFolder,
    onProgress,
  }: DecodePhotosOptions,
): Promise<Tensor> {
  const imageLength = 3 * size * size;
  const pixels = new Uint8Array(photos.length * imageLength);
  const kernel = interpolation === "lanczos3" ? "" : `-${interpolation}`;
  const folder =
    cacheFolder && join(cacheFolder, `pixels-v${VERSION}`, `${size}-${fit}-${background.join("-")}${kernel}`);
  const readOne = async (photo: Photo, index: number) => {
    // What is white is a matter of deep photos only.
    const depth = photo.levels ? `-${white[photo.levels.kind]}` : "";
    const kept = folder && join(folder, photo.hash.slice(0, 2), `${photo.hash}${depth}.u8`);
    const decoded =
      (kept && (await readKept(kept, imageLength))) ||
      (await decodeOne(root, photo, size, { fit, interpolation, background, white }));
    if (kept && !decoded.isKept) {
      await mkdir(dirname(kept), { recursive: true });
      await writeFileAtomic(kept, decoded.pixels, { flush: false });
    }
    pixels.set(decoded.pixels, index * imageLength);
  };
  await mapConcurrently(photos, readOne, onProgress);
  return fromTyped(pixels, [photos.length, 3, size, size]);
}

interface Decoded {
  readonly pixels: Uint8Array;
  readonly isKept: boolean;
}

/** `undefined` also for a file of the wrong length: a disk that filled up or lost power. */
async function readKept(path: string, length: number): Promise<Decoded | undefined> {
  const pixels = await readFile(path).catch(() => undefined);
  return pixels?.length === length ? { pixels, isKept: true } : undefined;
}

async function decodeOne(root: string, photo: Photo, size: number, options: DecodeOptions): Promise<Decoded> {
  const bytes = await readPhoto(root, photo.id).catch((cause: unknown) => {
    throw new DataError(
      `Photo "${photo.id}" in "${root}" can no longer be read. Put it back or scan the folder again.`,
      {
        cause,
      },
    );
  });
  if (contentHash(bytes) !== photo.hash) {
    throw new DataError(`Photo "${photo.id}" in "${root}" changed after the scan. Scan the folder again.`);
  }
  return { pixels: await decodeImage(bytes, size, options), isKept: false };
}
