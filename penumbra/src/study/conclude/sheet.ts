import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { fromTyped } from "@penumbra/torch";
import { type ImageLine, imageLines, type Photo, photosOfAllClasses } from "../../data/index.ts";
import type { RedrawLine } from "../../diffusion/index.ts";
import { hashOf } from "../../files/index.ts";
import { augmentedSheet, decodeImage, encodeWebp } from "../../images/index.ts";
import type { AugmentationSheet, SheetImage, SheetRow } from "../../results/index.ts";
import { imagePath, type StudyContext, withPixels } from "../stages/index.ts";
import type { Artifact } from "../store/index.ts";

/** An image's line, and where it lies. */
export type Drawn = ImageLine & Partial<Pick<RedrawLine, "timestep" | "signal">> & { readonly path: string };

/** The images of some artifacts. */
export async function drawnIn(context: StudyContext, artifacts: readonly Artifact[]): Promise<Drawn[]> {
  const all = await Promise.all(
    artifacts.map(async ({ folder }) =>
      (await imageLines(folder)).map((line) => ({ ...line, path: imagePath(context, folder, line) })),
    ),
  );
  return all.flat();
}

/**
 * The path in the run folder by which the report shows an image. One that lies elsewhere is written there as the study
 * saw it.
 */
export async function shownImage({ config }: StudyContext, run: string, path: string): Promise<string> {
  const inside = relative(run, path).replaceAll("\\", "/");
  if (!inside.startsWith("../")) return inside;
  const { imageSize: size, fit, interpolation } = config;
  const name = `images/${hashOf([path, size, fit, interpolation]).slice(0, 20)}.webp`;
  await mkdir(join(run, "images"), { recursive: true });
  const image = fromTyped(await decodeImage(path, size, { fit, interpolation }), [3, size, size]);
  await encodeWebp(image, join(run, name));
  image.dispose();
  return name;
}

/**
 * Chooses what the sheet shows: up to `rows` classes, spread over all; of each the training photo whose redraws show
 * the most different recipes and strengths, and one redraw of each of those, by its path.
 */
export function chooseSheet(
  train: readonly Photo[],
  drawn: readonly Drawn[],
  { recipes, rows = 6 }: { readonly recipes: readonly string[]; readonly rows?: number },
): (Omit<SheetRow, "photo"> & { readonly photo: Photo })[] {
  const classes = [...new Set(train.map(({ className }) => className))];
  const shown = classes.filter(
    (_, index) =>
      Math.floor((index * rows) / classes.length) !== Math.floor(((index - 1) * rows) / classes.length),
  );
  return shown.flatMap((className) => {
    const candidates = train
      .filter((photo) => photo.className === className)
      .map((photo) => ({ photo, className, redraws: distinct(drawn, photo, recipes) }));
    candidates.sort((a, b) => b.redraws.length - a.redraws.length);
    return candidates.slice(0, 1);
  });
}

/** One image of a photo for each recipe and strength, recipes together, weak before strong. */
function distinct(drawn: readonly Drawn[], photo: Photo, recipes: readonly string[]): SheetImage[] {
  const byKey = new Map<string, SheetImage>();
  for (const { parent, path, recipe, strength, timestep = null, signal = null, wordClass } of drawn) {
    const key = `${recipe} ${strength}`;
    if (parent !== photo.id || byKey.has(key)) continue;
    byKey.set(key, { image: path, recipe, strength, timestep, signal, wordClass });
  }
  return [...byKey.values()].sort(
    (a, b) => recipes.indexOf(a.recipe) - recipes.indexOf(b.recipe) || (a.strength ?? 0) - (b.strength ?? 0),
  );
}

/** Writes photos as the study saw them into the run folder; returns each one's path there, by its id. */
export async function writePhotos(
  context: StudyContext,
  run: string,
  photos: readonly Photo[],
): Promise<ReadonlyMap<string, string>> {
  const unique = [...new Map(photos.map((photo) => [photo.id, photo])).values()];
  const paths = new Map<string, string>();
  if (unique.length === 0) return paths;
  await mkdir(join(run, "images"), { recursive: true });
  await withPixels(context, unique, context.config.imageSize, async (pixels) => {
    for (const [index, photo] of unique.entries()) {
      const path = `images/${hashOf([photo.hash, context.config.imageSize]).slice(0, 20)}.webp`;
      const image = pixels.select(0, index);
      await encodeWebp(image, join(run, path));
      image.dispose();
      paths.set(photo.id, path);
    }
  });
  return paths;
}

/** Writes a picture of what augmentation makes of training photos into the run folder. */
export async function writeAugmentation(
  context: StudyContext,
  run: string,
  train: readonly Photo[],
): Promise<AugmentationSheet> {
  const [rows, versions] = [4, 7];
  const { imageSize, encoder } = context.config;
  const photos = photosOfAllClasses(train, rows);
  const name = hashOf([photos.map(({ hash }) => hash), imageSize, encoder.augment]).slice(0, 20);
  const image = `images/augmentation-${name}.webp`;
  await mkdir(join(run, "images"), { recursive: true });
  await withPixels(context, photos, imageSize, async (pixels) => {
    const sheet = augmentedSheet(pixels, encoder.augment, { versions, seed: 0 });
    await encodeWebp(sheet, join(run, image));
    sheet.dispose();
  });
  return { image, photos: photos.length, versions };
}
