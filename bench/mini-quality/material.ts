// What a mini is measured on: photos of parts that it never saw, and renders of its corpus that were held out.
import { dirname, join } from "node:path";
import { scope, type Tensor, tensor } from "@penumbra/torch";
import { decodePhotos, type Photo, scanPhotos, splitByObject } from "../../penumbra/src/data/index.ts";
import { readCorpus } from "../../penumbra/src/generators/index.ts";
import { holdOut } from "../../penumbra/src/generators/trainer/hold-out.ts";
import type { Labelled } from "./judges.ts";

export interface Parts {
  readonly classes: readonly string[];
  readonly train: Labelled;
  /** Of other objects. */
  readonly asked: Labelled;
}

/** Photos of the known classes: of ten objects a class to learn from, and of four (validation) or the rest (test). */
export async function partsIn(
  folder: string,
  on: "validation" | "test",
  { size, seed }: { readonly size: number; readonly seed: number },
): Promise<Parts> {
  const manifest = await scanPhotos(join(folder, "id"));
  const { root, classes, white } = manifest;
  const split = splitByObject(manifest, { shots: 10, validation: 4, test: "rest", seed });
  const labelled = async (photos: readonly Photo[]): Promise<Labelled> => ({
    images: await decodePhotos(root, photos, { size, ...(white && { white }) }),
    labels: photos.map(({ className }) => classes.indexOf(className)),
  });
  return { classes, train: await labelled(split.train), asked: await labelled(split[on]) };
}

/** A corpus, divided as `pretrain` divides it. Labels are families: the folders that files lie in. */
export interface Renders {
  readonly families: readonly string[];
  readonly train: Labelled;
  readonly heldOut: Labelled & { readonly captions: readonly string[] };
  /** Families that have parts of a caption. */
  readonly familiesOf: ReadonlyMap<string, ReadonlySet<number>>;
  /** Images of each caption. */
  readonly imagesOf: ReadonlyMap<string, number>;
}

/** How the judge learns them. */
export const FAMILY_JUDGE = { steps: 1500, seed: 0 } as const;

/** @param seed of the training of the model: it decides which files were held out */
export async function rendersIn(
  folder: string,
  { size, seed }: { readonly size: number; readonly seed: number },
): Promise<Renders> {
  const corpus = await readCorpus(folder, { size });
  const { training, heldOut } = holdOut(corpus, seed, "cpu");
  const families = [...new Set(corpus.files.map((file) => dirname(file)))];
  const family = (item: number) => families.indexOf(dirname(corpus.files[corpus.fileOf[item]!]!));
  const caption = (item: number) => corpus.captions[corpus.captionOf[item]!]!;
  const familiesOf = new Map<string, Set<number>>();
  const imagesOf = new Map<string, number>();
  for (let item = 0; item < corpus.fileOf.length; item++) {
    const own = familiesOf.get(caption(item)) ?? new Set<number>();
    familiesOf.set(caption(item), own.add(family(item)));
    imagesOf.set(caption(item), (imagesOf.get(caption(item)) ?? 0) + 1);
  }
  return {
    ...{ families, familiesOf, imagesOf },
    train: { images: training.images, labels: training.items.map(family) },
    heldOut: {
      images: heldOut.images,
      labels: heldOut.items.map(family),
      captions: heldOut.items.map(caption),
    },
  };
}

/** So many items at even distances. */
export function some({ images, labels }: Labelled, count: number): Labelled & { places: readonly number[] } {
  const total = labels.length;
  const places = Array.from({ length: Math.min(count, total) }, (_, i) =>
    Math.floor((i * total) / Math.min(count, total)),
  );
  return {
    images: taken(images, places),
    labels: places.map((place) => labels[place]!),
    places,
  };
}

/** Rows of a tensor. */
export function taken(rows: Tensor, places: readonly number[]): Tensor {
  return scope(() => rows.indexSelect(0, tensor([...places], { dtype: "int64" })));
}
