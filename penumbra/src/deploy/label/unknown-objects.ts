import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromTyped, scope, type Tensor } from "@penumbra/torch";
import { normalizeRows } from "../../contrast/index.ts";
import { compareNatural, groupBy, listPhotoFiles } from "../../data/index.ts";
import { blockAverages, type Classifier, DeployError, lookAt, type Verdict } from "../classifier/index.ts";
import { averageLinkage, clustersWithin, type Merge } from "./agglomerative.ts";

/** An unknown object as it was kept. */
export interface UnknownObject {
  /** Name of its folder, or of its only photo. */
  readonly name: string;
  /** Paths of its photos. */
  readonly photos: readonly string[];
  readonly verdict: Verdict;
}

/** More than these take too long to compare and to look through: the newest are taken. */
const MOST_OBJECTS = 3000;

/** Unknown objects and how they lie to each other by the features of a classifier. */
export class UnknownObjects {
  readonly objects: readonly UnknownObject[];
  /** Where objects of one known class lie apart: what groups are cut at unless somebody says otherwise. */
  readonly usualDistance: number;
  /** Objects that are not shown because there are too many. */
  readonly left: number;
  readonly #merges: readonly Merge[];

  private constructor(
    objects: readonly UnknownObject[],
    merges: readonly Merge[],
    distance: number,
    left: number,
  ) {
    this.objects = objects;
    this.#merges = merges;
    this.usualDistance = distance;
    this.left = left;
  }

  /**
   * Looks at what lies in a folder: each folder in it is an object of several views, each photo an object.
   * @throws DeployError when there is no photo that can be read
   */
  static async in(
    root: string,
    classifier: Classifier,
    onProgress?: (done: number, total: number) => void,
  ): Promise<UnknownObjects> {
    const { found, left } = await listObjects(root);
    const looked = await lookAt(
      classifier,
      found.flatMap(({ photos }) => photos),
      { ...(onProgress && { onProgress }) },
    );
    const { stages, places } = looked;
    // Views that cannot be read are left out of their object, and an object without any of the list.
    let at = 0;
    const readable = found.flatMap(({ name, photos }) => {
      const own = photos.filter((_, view) => places.includes(at + view));
      at += photos.length;
      return own.length > 0 ? [{ name, photos: own }] : [];
    });
    if (readable.length === 0) {
      throw new DeployError(
        `"${root}" holds no photo that can be read. Name the folder that serve or predict --watch keeps unknowns in (--keep-unknown).`,
      );
    }
    const views = readable.map(({ photos }) => photos.length);
    const verdicts = classifier.judgeRows(stages, views);
    const features = scope(() => blockAverages(views).matmul(stages.at(-1)!.to("float64")));
    const distances = cosineDistances(features);
    for (const tensor of [...stages, features]) tensor.dispose();
    const objects = readable.map((object, index) => ({ ...object, verdict: verdicts[index]! }));
    return new UnknownObjects(
      objects,
      averageLinkage(distances, objects.length),
      usualDistanceOf(classifier),
      left,
    );
  }

  /** Objects that lie within a distance of each other on average, the largest groups first. */
  groups(distance = this.usualDistance): UnknownObject[][] {
    return clustersWithin(this.#merges, this.objects.length, distance).map((group) =>
      group.map((index) => this.objects[index]!),
    );
  }
}

async function listObjects(root: string) {
  const entries = await readdir(root, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new DeployError(`The folder "${root}" cannot be read (${cause.code}).`, { cause });
  });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const photos = await listPhotoFiles(root);
  const all = [
    ...folders.map((name) => ({
      name,
      photos: photos.filter((path) => path.startsWith(join(root, name, "/"))),
    })),
    ...photos
      .filter((path) => entries.some((entry) => entry.isFile() && join(root, entry.name) === path))
      .map((path) => ({ name: path.slice(join(root, "/").length), photos: [path] })),
  ].filter((object) => object.photos.length > 0);
  const dated = await Promise.all(
    all.map(async (object) => ({ ...object, at: (await stat(object.photos[0]!)).mtimeMs })),
  );
  dated.sort((a, b) => b.at - a.at || compareNatural(a.name, b.name));
  return { found: dated.slice(0, MOST_OBJECTS), left: Math.max(0, dated.length - MOST_OBJECTS) };
}

/** 1 - cosine of the angle between rows, [N, D] -> N rows of N. */
function cosineDistances(rows: Tensor): Float64Array {
  return scope(() => {
    const unit = normalizeRows(rows);
    return unit.matmul(unit.t()).neg().add(1).clampMin(0).contiguous().toTyped() as Float64Array;
  });
}

/** So many of the pairs of objects of one class lie nearer than what counts as one group. */
const USUAL_SHARE = 0.9;

/** How far apart objects of one known class lie, by the calibration objects; 0.2 where no class has two. */
function usualDistanceOf(classifier: Classifier): number {
  const { objects, labels, stages } = classifier.parts.calibration;
  const photosOf = [...groupBy([...objects.keys()], (photo) => objects[photo]!).values()];
  const weights = new Float64Array(photosOf.length * objects.length);
  for (const [object, photos] of photosOf.entries())
    for (const photo of photos) weights[object * objects.length + photo] = 1 / photos.length;
  const classes = photosOf.map(([first]) => labels[first!]!);
  const distances = scope(() => {
    const averaging = fromTyped(weights, [photosOf.length, objects.length]);
    return cosineDistances(averaging.matmul(stages.at(-1)!.to("float64")));
  });
  const within = classes
    .flatMap((a, i) =>
      classes.flatMap((b, j) => (j > i && a === b ? [distances[i * classes.length + j]!] : [])),
    )
    .sort((a, b) => a - b);
  return within[Math.floor(USUAL_SHARE * (within.length - 1))] ?? 0.2;
}
