import { join } from "node:path";
import { fromTyped, safetensors, scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { normalizeRows } from "../../contrast/index.ts";
import { DeployError } from "./errors.ts";

const FILE = "gallery.safetensors";

/** A photo that a classifier learned from, as it is kept with it: a small picture beside its features. */
export interface GalleryPhoto {
  readonly id: string;
  readonly className: string;
  /** WebP. */
  readonly picture: Uint8Array;
}

/** What is written: photos and what the encoder says about them, [N, D]. */
export interface GalleryContent {
  readonly photos: readonly GalleryPhoto[];
  readonly features: Tensor;
}

/** A training photo that resembles an object. */
export interface Neighbour {
  /** Its number in the gallery. */
  readonly number: number;
  readonly id: string;
  readonly className: string;
  /** Cosine of the angle between the features, -1 … 1. */
  readonly similarity: number;
}

const namesSchema = z.object({ ids: z.array(z.string()).min(1), classes: z.array(z.string()).min(1) });

/** Photos that a classifier learned from, to show what a verdict rests on. */
export class Gallery implements Disposable {
  readonly #photos: readonly GalleryPhoto[];
  readonly #rows: Tensor; // [N, D], of unit length

  constructor({ photos, features }: GalleryContent) {
    this.#photos = photos;
    this.#rows = scope(() => normalizeRows(features.to("float32")));
  }

  get photos(): readonly GalleryPhoto[] {
    return this.#photos;
  }

  /**
   * The photos that resemble each row most, by cosine similarity, the most similar first.
   * @param features [B, D] of the encoder's last stage
   */
  nearest(features: Tensor, count: number): Neighbour[][] {
    return scope(() => {
      const similarity = normalizeRows(features.to("float32")).matmul(this.#rows.t());
      const [values, places] = similarity.topk(Math.min(count, this.#photos.length), { dim: 1 });
      const numbers = places.tolist() as number[][];
      return (values.tolist() as number[][]).map((row, object) =>
        row.map((similarity, rank) => {
          const number = numbers[object]![rank]!;
          const { id, className } = this.#photos[number]!;
          return { number, id, className, similarity };
        }),
      );
    });
  }

  dispose(): void {
    this.#rows.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Writes the gallery of a classifier into its folder. */
export function writeGallery(folder: string, { photos, features }: GalleryContent): void {
  const offsets = [0];
  for (const { picture } of photos) offsets.push(offsets.at(-1)! + picture.length);
  const bytes = new Uint8Array(offsets.at(-1)!);
  for (const [index, { picture }] of photos.entries()) bytes.set(picture, offsets[index]!);
  const names = {
    ids: JSON.stringify(photos.map(({ id }) => id)),
    classes: JSON.stringify(photos.map(({ className }) => className)),
  };
  scope(() =>
    safetensors.write(
      join(folder, FILE),
      {
        features,
        pictures: fromTyped(bytes, [bytes.length]),
        offsets: fromTyped(BigInt64Array.from(offsets, BigInt), [offsets.length]),
      },
      names,
    ),
  );
}

/**
 * The training photos that a classifier carries.
 * @throws DeployError when the folder has none, or they are damaged
 */
export function loadGallery(folder: string): Gallery {
  const path = join(folder, FILE);
  const fail = (why: string, cause?: unknown): never => {
    throw new DeployError(`${path} cannot be used: ${why}. Train the classifier again.`, { cause });
  };
  let read: ReturnType<typeof safetensors.read>;
  try {
    read = safetensors.read(path);
  } catch (cause) {
    return fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { features, pictures, offsets } = read.tensors;
  try {
    const { ids = "null", classes = "null" } = read.metadata;
    const names = namesSchema.safeParse({ ids: JSON.parse(ids), classes: JSON.parse(classes) });
    if (!names.success || !features || !pictures || !offsets)
      return fail("it lacks features, pictures or names");
    const places = offsets.toNumbers();
    const bytes = pictures.toTyped() as Uint8Array;
    const count = names.data.ids.length;
    if (features.shape[0] !== count || places.length !== count + 1 || places.at(-1) !== bytes.length)
      return fail("its parts do not fit together");
    const photos = names.data.ids.map((id, index) => ({
      id,
      className: names.data.classes[index]!,
      picture: bytes.subarray(places[index]!, places[index + 1]!),
    }));
    return new Gallery({ photos, features });
  } finally {
    for (const tensor of Object.values(read.tensors)) tensor.dispose();
  }
}
