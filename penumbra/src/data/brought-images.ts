import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DataError } from "./errors.ts";
import { IMAGE_KINDS, type ImageKind, type ImageLine } from "./image-manifest.ts";
import { inspectFiles } from "./inspect.ts";
import { findLike } from "./near-duplicates.ts";
import { openSource } from "./sources/index.ts";
import type { Photo } from "./types.ts";

/** An image that was made elsewhere of photos of known classes: another tool's. */
export interface BroughtImage extends Pick<Photo, "id" | "className" | "hash" | "look"> {
  /** The photo that it was made from; null where nobody says. */
  readonly parent: Photo | null;
  /** Class that it was drawn towards. */
  readonly wordClass: string;
  /** How far from the parent, 0..1; null where nobody says. */
  readonly strength: number | null;
}

export interface BringOptions {
  readonly kind: ImageKind;
  /** All photos of the study, unknowns too. */
  readonly photos: readonly Photo[];
  /** Known classes. */
  readonly classes: readonly string[];
  readonly cacheFolder?: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a line of another tool's `manifest.jsonl` has to say, and what it may. */
const BroughtLine = z.looseObject({
  file: z.string().min(1),
  parent: z.string().nullish(),
  className: z.string().nullish(),
  kind: z.enum(IMAGE_KINDS).nullish(),
  wordClass: z.string().nullish(),
  strength: z.number().min(0).max(1).nullish(),
});

/**
 * The images of a kind that lie in a folder, read where they are. With a `manifest.jsonl`, as `penumbra generate` writes
 * it, its lines say of each `file` its `parent` (a photo's path in the study), `className` and `kind` (without: the one
 * that is asked for); without, images lie as class/image.png and all are of the kind.
 *
 * @returns in natural order of their paths, and a sentence for each file that cannot be read
 * @throws DataError for a folder without such images, a class that is not known, and a parent that is no known photo
 */
export async function readBroughtImages(
  folder: string,
  options: BringOptions,
): Promise<{ readonly images: BroughtImage[]; readonly problems: string[] }> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new DataError(`"${folder}" is no folder. Name one that holds class/image.png or a manifest.jsonl.`);
  }
  const path = join(folder, "manifest.jsonl");
  const named = existsSync(path) ? await readLines(path, options) : await namedByFolders(folder, options);
  const inspections = await inspectFiles(
    folder,
    named.map(({ id }) => id),
    options,
  );
  const images: BroughtImage[] = [];
  const problems: string[] = [];
  for (const [place, image] of named.entries()) {
    const inspection = inspections[place]!;
    if ("reason" in inspection) problems.push(`"${image.id}" cannot be read: ${inspection.reason}.`);
    else images.push({ ...image, hash: inspection.hash, look: inspection.look });
  }
  if (images.length > 0) return { images, problems };
  const first = problems[0] ? ` ${problems[0]}` : "";
  throw new DataError(
    `"${folder}" holds no ${options.kind} image that can be read.${first} Put them there as class/image.png, or list them in manifest.jsonl.`,
  );
}

type NamedImage = Omit<BroughtImage, "hash" | "look">;

async function readLines(path: string, { kind, photos, classes }: BringOptions): Promise<NamedImage[]> {
  const known = new Map(photos.map((photo) => [photo.id, photo]));
  const lines = (await readFile(path, "utf8")).split("\n");
  return lines.flatMap((text, index): NamedImage[] => {
    if (text.trim() === "") return [];
    const at = `${path}:${index + 1}`;
    const line = parsedLine(text, at);
    if ((line.kind ?? kind) !== kind) return [];
    const parent = line.parent == null ? null : (known.get(line.parent) ?? null);
    if (line.parent != null && parent === null) {
      throw new DataError(
        `${at}: the parent "${line.parent}" is no photo of the study. Write its path below the folder of photos, or leave it out.`,
      );
    }
    if (parent && parent.role !== "known") {
      throw new DataError(
        `${at}: "${line.file}" was made from "${parent.id}", a photo of an unknown class. Unknowns are for testing only: remove the line.`,
      );
    }
    const className = line.className ?? parent?.className;
    if (className === undefined) {
      throw new DataError(`${at}: "${line.file}" has neither className nor parent. Give one of them.`);
    }
    checkClass(className, classes, at);
    const wordClass = classes.includes(line.wordClass ?? "") ? line.wordClass! : className;
    return [{ id: line.file, className, parent, wordClass, strength: line.strength ?? null }];
  });
}

function parsedLine(text: string, at: string): z.output<typeof BroughtLine> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${at} is no JSON. Write one object a line.`, { cause });
  }
  const parsed = BroughtLine.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DataError(`${at}: "${issue!.path.join(".")}": ${issue!.message}. Correct the line.`);
}

async function namedByFolders(folder: string, { classes }: BringOptions): Promise<NamedImage[]> {
  const { candidates } = await openSource(folder, { layout: "classes" });
  for (const { className, id } of candidates) checkClass(className, classes, `"${join(folder, id)}"`);
  return candidates.map(({ id, className }) => ({
    ...{ id, className, parent: null, wordClass: className, strength: null },
  }));
}

function checkClass(className: string, classes: readonly string[], at: string): void {
  if (classes.includes(className)) return;
  throw new DataError(
    `${at}: "${className}" is no known class of the study (${classes.join(", ")}). An image belongs to the class whose photo it was made from, also a near-OOD one.`,
  );
}

/** Brought images that a seed may learn from, and how many others there are. */
export interface AllowedImages {
  readonly allowed: readonly BroughtImage[];
  /** Made from photos that are not trained on. */
  readonly strayChildren: number;
  /** Copies of such photos, or almost. */
  readonly copies: number;
}

/**
 * Of brought images those that give no photo away that is kept from training: their parents are of training objects,
 * and they are no copies of other photos (the same bytes, or almost the same picture, as `penumbra check` compares).
 * An image of no parent that looks like a training photo of its class gets that one.
 *
 * @param train the training photos @param photos all photos
 * @throws DataError for a copy of an unknown, which no seed may learn from
 */
export function allowedImages(
  images: readonly BroughtImage[],
  train: readonly Photo[],
  photos: readonly Photo[],
): AllowedImages {
  const own = new Set(train.map(({ id }) => id));
  const objects = new Set(train.map(({ object }) => object));
  const followed = images.filter(({ parent }) => parent === null || objects.has(parent.object));
  const copied = likesOf(
    photos.filter(({ id }) => !own.has(id)),
    followed,
  );
  for (const [{ id }, photo] of copied) {
    if (photo.role === "known") continue;
    throw new DataError(
      `"${id}" is a copy of "${photo.id}", or almost: a photo of an unknown class, which is for testing only. Remove the image.`,
    );
  }
  const allowed = followed.filter((image) => !copied.has(image));
  const seen = likesOf(
    train,
    allowed.filter(({ parent }) => parent === null),
  );
  return {
    allowed: allowed.map((image) => {
      const like = seen.get(image);
      return like?.className === image.className ? { ...image, parent: like } : image;
    }),
    strayChildren: images.length - followed.length,
    copies: followed.length - allowed.length,
  };
}

/** The photo that each image is a copy of, or almost, where there is one. */
function likesOf(photos: readonly Photo[], images: readonly BroughtImage[]): Map<BroughtImage, Photo> {
  const byHash = new Map(photos.map((photo) => [photo.hash, photo]));
  const known = new Set<unknown>(photos);
  const pairs = findLike<Photo | BroughtImage>(
    [...photos, ...images],
    (first, second) => known.has(first) && !known.has(second),
  );
  const likes = new Map(pairs.map(({ first, second }) => [second as BroughtImage, first as Photo]));
  for (const image of images) {
    const same = byHash.get(image.hash);
    if (same) likes.set(image, same);
  }
  return likes;
}

/** A line of an image that lies where it was brought: `file` is its path below the folder there. */
export interface BroughtImageLine extends ImageLine {
  readonly generator: typeof BROUGHT;
  /** Of the image's file. */
  readonly hash: string;
  /** False: nobody says what it was made from, and a training photo of its class stands in. */
  readonly isParentStated: boolean;
}

/** What the lines of brought images have as their generator. */
export const BROUGHT = "folder";
