import type { Tensor } from "@penumbra/torch";
import { type DecodePhotosOptions, decodePhotos, type Photo } from "../../data/index.ts";
import { hashOf } from "../../files/index.ts";
import type { White } from "../../images/index.ts";
import type { EncoderWeights } from "../../models/index.ts";
import type { SettledConfig, StudyTables } from "../config/index.ts";
import type { StageStore } from "../store/index.ts";

/** What every stage of a study shares. */
export interface StudyContext {
  readonly config: SettledConfig;
  /** What the configuration chose from. */
  readonly tables: StudyTables;
  readonly store: StageStore;
  /** Folder of the configuration: its relative paths start here. */
  readonly folder: string;
  /** All photos, unknowns too: nobody may learn from those that a seed does not train on. */
  readonly photos: readonly Photo[];
  /** Root of the photos. */
  readonly root: string;
  /** What is white in photos of 16 bits and of floats. */
  readonly white: White;
  /** Decoded pixels by content: safe to delete, filled again when needed. */
  readonly cacheFolder: string;
  /** Known classes: label = index. */
  readonly classes: readonly string[];
  /** Published weights that encoders start from; null = random ones. */
  readonly weights: EncoderWeights | null;
  readonly device: string;
  /** Precision of the heavy parts, resolved from "auto". */
  readonly precision: "fp32" | "bf16" | "fp16";
  /** The number of shots that stages are made for, where the study has several; they are told apart by it. */
  readonly shots?: number;
}

/** What stages of a seed are called: "supcon, seed 1", or where there are several "supcon, seed 1, 4 shots". */
export function labelOf({ shots }: Pick<StudyContext, "shots">, seed: number, what = ""): string {
  const of = what === "" ? "" : `${what}, `;
  return `${of}seed ${seed}${shots === undefined ? "" : `, ${shots} ${shots === 1 ? "shot" : "shots"}`}`;
}

/** Decodes photos, hands them to `use` as uint8 [N, 3, size, size] on the CPU, and releases them when it is done. */
export async function withPixels<T>(
  context: StudyContext,
  photos: readonly Photo[],
  size: number,
  use: (pixels: Tensor) => Promise<T>,
): Promise<T> {
  const pixels = await pixelsOf(context, photos, size);
  try {
    return await use(pixels);
  } finally {
    pixels.dispose();
  }
}

/** Decodes photos to uint8 [N, 3, size, size] on the CPU. */
export function pixelsOf(context: StudyContext, photos: readonly Photo[], size: number): Promise<Tensor> {
  return decodePhotos(context.root, photos, decodingOf(context, size));
}

/** How the photos of a study become pixels. */
export function decodingOf({ config, cacheFolder, white }: StudyContext, size: number): DecodePhotosOptions {
  return { size, fit: config.fit, interpolation: config.interpolation, white, cacheFolder };
}

/** Identity of the pixels that a list of photos becomes, but for their size: `photosHash` and how they are decoded. */
export function pixelsHash({ config, white }: StudyContext, photos: readonly Photo[]): string {
  const isDeep = photos.some(({ levels }) => levels !== undefined);
  const decoding = {
    ...(config.fit !== "squash" && { fit: config.fit }),
    ...(config.interpolation !== "lanczos3" && { interpolation: config.interpolation }),
    ...(isDeep && { white: { ...white } }),
  };
  const hash = photosHash(photos);
  return Object.keys(decoding).length === 0 ? hash : hashOf({ photos: hash, ...decoding });
}

/** Of lists that were asked for: every arm of a seed asks for the same ones, of which there may be a hundred thousand photos. */
const hashes = new WeakMap<readonly Photo[], string>();

/** Identity of a list of photos: which files, what they hold, which class and object each shows, in which order. */
export function photosHash(photos: readonly Photo[]): string {
  const known = hashes.get(photos) ?? identityOf(photos);
  hashes.set(photos, known);
  return known;
}

function identityOf(photos: readonly Photo[]): string {
  return hashOf(
    photos.map(({ id, hash, className, object, role, split }) => [
      ...[id, hash, className, object, role],
      ...(split ? [split] : []),
    ]),
  );
}

/** The label of each photo of a known class; -1 for unknowns. */
export function labelsOf(photos: readonly Photo[], classes: readonly string[]): number[] {
  return photos.map(({ className, role }) => (role === "known" ? classes.indexOf(className) : -1));
}
