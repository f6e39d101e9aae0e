import { deriveSeed } from "@penumbra/torch";
import { DataError } from "./errors.ts";
import { compareNatural } from "./natural.ts";
import type { GivenSplit, Manifest, Photo } from "./types.ts";

export interface SplitOptions {
  /** Objects of each known class to train on. */
  readonly shots: number;
  /** Objects of each known class for choosing and calibrating; may be 0. */
  readonly validation: number;
  /** Objects of each known class to test on; "rest" takes all that nothing else needs. */
  readonly test: number | "rest";
  readonly seed: number;
  /** What is made of a division that the photos came with. Default "use". */
  readonly given?: GivenUse;
}

/**
 * `use`: training objects are drawn from those in `train`, validation objects from those in `validation` where a class
 * has any, and the test is those in `test` where a class has any. `merge`: as if there were no division.
 */
export const GIVEN_USES = ["use", "merge"] as const;
export type GivenUse = (typeof GIVEN_USES)[number];

/** Photos by their use. No object is in two lists; no near class is in two lists. */
export interface Split {
  /** Known classes; by class, then in the order of the draw, so that fewer shots are a prefix of more within a class. */
  readonly train: readonly Photo[];
  /** To choose and calibrate with: the same at every seed. */
  readonly validation: readonly Photo[];
  readonly test: readonly Photo[];
  /** Near unknowns to choose hyper-parameters and thresholds with: the same at every seed. */
  readonly nearValidation: readonly Photo[];
  /** Near unknowns of other classes, to report on. */
  readonly nearTest: readonly Photo[];
  readonly farTest: readonly Photo[];
}

/** The parts of a split. */
export type SplitName = keyof Split;

/**
 * Divides photos by physical object: few-shot training, validation and test objects of every known class, and the
 * unknowns, where near classes for validation and for test are disjoint.
 *
 * What choices are made with is set aside first and without the seed: the validation objects of each class, and one
 * half of the near classes, rounded down (a single near class is for the test). So whatever is chosen by several
 * seeds together, such as the detector that a study reports on, has seen no test photo of any of them.
 *
 * An object's place in the draw of the others is `deriveSeed(seed, class, object)` alone. So the same seed gives the
 * same split, the draw of k shots is contained in that of k + 1 (with the same test objects, when `test` is a number),
 * and a class that is added or removed changes nothing for the others.
 *
 * @throws DataError when there are fewer than two known classes, or a class has too few objects
 */
export function splitByObject(manifest: Manifest, options: SplitOptions): Split {
  requireCounts(options);
  requireClasses(manifest);
  const known = byClass(manifest.photos.filter(({ role }) => role === "known"));
  const pools = new Map(
    [...known].map(([name, objects]) => [name, poolsOf(objects, options.given ?? "use")]),
  );
  requireObjects(pools, options);

  const train: Photo[] = [];
  const validation: Photo[] = [];
  const test: Photo[] = [];
  for (const className of manifest.classes) {
    const objects = known.get(className)!;
    const pool = pools.get(className)!;
    const photosOf = (names: readonly string[]) => names.flatMap((name) => objects.get(name)!);
    const chosen = new Set(setAside(className, pool).slice(0, options.validation));
    const draw = (object: string) => deriveSeed(options.seed, "split", className, object);
    const drawn = sortByDraw(
      pool.train.filter((object) => !chosen.has(object)),
      draw,
    );
    const left = pool.test.length > 0 ? sortByDraw(pool.test, draw) : drawn.slice(options.shots);
    train.push(...photosOf(drawn.slice(0, options.shots)));
    test.push(
      ...photosOf(options.test === "rest" ? left : left.slice(Math.max(0, left.length - options.test))),
    );
    validation.push(...photosOf([...chosen]));
  }

  const near = byClass(manifest.photos.filter(({ role }) => role === "near"));
  const nearClasses = sortByDraw([...near.keys()], (name) => deriveSeed("near", name));
  const half = Math.floor(nearClasses.length / 2);
  const photosOf = (names: readonly string[]) =>
    names.flatMap((name) => [...near.get(name)!.values()].flat());
  return {
    train,
    validation,
    test,
    nearValidation: photosOf(nearClasses.slice(0, half).sort(compareNatural)),
    nearTest: photosOf(nearClasses.slice(half).sort(compareNatural)),
    farTest: manifest.photos.filter(({ role }) => role === "far"),
  };
}

/**
 * The same split with fewer training objects of each class, the first of the draw: everything else, the test too, is
 * that of the split.
 */
export function withShots(split: Split, shots: number): Split {
  const train = [...byClass(split.train).values()].flatMap((objects) =>
    [...objects.values()].slice(0, shots).flat(),
  );
  return { ...split, train };
}

/** What a classifier that is to be used learns from, and what it is calibrated on. */
export interface UseSplit {
  /** Every photo of the known classes that is not set aside. */
  readonly train: readonly Photo[];
  readonly calibration: readonly Photo[];
  /** Near unknowns, to choose a detector by. */
  readonly near: readonly Photo[];
}

/**
 * Divides photos by physical object for a classifier that is to be used: nothing is kept for a test. The calibration
 * objects are those that a study with as many validation objects chooses by, so that redraws of its training photos are
 * redraws of training photos here.
 *
 * @param options.calibration objects of each known class that are set aside; where a class has fewer than one more, all
 *   but one. Default: a quarter, at least one
 * @throws DataError when there are fewer than two known classes, or one of a single object
 */
export function splitForUse(
  manifest: Manifest,
  { calibration, given = "use" }: { readonly calibration?: number; readonly given?: GivenUse } = {},
): UseSplit {
  requireClasses(manifest);
  const known = byClass(manifest.photos.filter(({ role }) => role === "known"));
  const single = [...known].filter(([, { size }]) => size < 2).map(([name]) => `"${name}"`);
  if (single.length > 0) {
    throw new DataError(
      `A classifier needs two objects of every class, one to learn from and one to calibrate on; only one is there of ${single.join(", ")}. Add photos of others, or list the class under "ignore".`,
    );
  }
  const train: Photo[] = [];
  const aside: Photo[] = [];
  for (const className of manifest.classes) {
    const objects = known.get(className)!;
    const wanted = calibration ?? Math.max(1, Math.round(objects.size / 4));
    const order = setAside(className, poolsOf(objects, given));
    const chosen = new Set(order.slice(0, Math.min(wanted, objects.size - 1)));
    for (const [object, photos] of objects) (chosen.has(object) ? aside : train).push(...photos);
  }
  return { train, calibration: aside, near: manifest.photos.filter(({ role }) => role === "near") };
}

/** The objects that choices may be made with, in the order in which they are taken: without the seed. */
function setAside(className: string, pool: Pools): string[] {
  const forChoices = pool.validation.length > 0 ? pool.validation : pool.train;
  return sortByDraw(forChoices, (object) => deriveSeed("validation", className, object));
}

/** class -> object -> photos, all in the order of `photos`. */
export function byClass(photos: readonly Photo[]): Map<string, Map<string, Photo[]>> {
  const classes = new Map<string, Map<string, Photo[]>>();
  for (const photo of photos) {
    const objects = classes.get(photo.className) ?? new Map<string, Photo[]>();
    const views = objects.get(photo.object) ?? [];
    classes.set(photo.className, objects);
    objects.set(photo.object, views);
    views.push(photo);
  }
  return classes;
}

function sortByDraw(names: readonly string[], draw: (name: string) => number): string[] {
  return names
    .map((name) => ({ name, key: draw(name) }))
    .sort((a, b) => a.key - b.key || compareNatural(a.name, b.name))
    .map(({ name }) => name);
}

function requireCounts({ shots, validation, test }: SplitOptions): void {
  const isCount = (value: number, least: number) => Number.isInteger(value) && value >= least;
  if (!isCount(shots, 1) || !isCount(validation, 0) || (test !== "rest" && !isCount(test, 1))) {
    throw new DataError(
      `Cannot split into ${shots} training, ${validation} validation and ${test} test objects a class. Give whole numbers: shots >= 1, validation >= 0, test >= 1 or "rest".`,
    );
  }
}

function requireClasses({ root, classes }: Manifest): void {
  if (classes.length >= 2) return;
  const what = classes[0] ? `only one known class ("${classes[0]}")` : "no known class";
  throw new DataError(
    `Folder "${root}" has ${what}; a classifier needs at least two. Add a folder of photos for another class, or check which classes are listed as near and far unknowns.`,
  );
}

/** Objects of a class by where they may be used. */
interface Pools {
  readonly train: readonly string[];
  /** Empty: taken from `train`. */
  readonly validation: readonly string[];
  readonly test: readonly string[];
}

function poolsOf(objects: ReadonlyMap<string, readonly Photo[]>, given: GivenUse): Pools {
  if (given === "merge") return { train: [...objects.keys()], validation: [], test: [] };
  const inSplit = (split: GivenSplit) =>
    [...objects].filter(([, [first]]) => (first?.split ?? "train") === split).map(([name]) => name);
  for (const [name, views] of objects) {
    const splits = [...new Set(views.map(({ split }) => split ?? "train"))];
    if (splits.length > 1) {
      throw new DataError(
        `The object "${name}" has photos in ${splits.join(" and ")}: what is tested would have been learned. Move them together, or set split.given to merge.`,
      );
    }
  }
  return { train: inSplit("train"), validation: inSplit("validation"), test: inSplit("test") };
}

function requireObjects(pools: ReadonlyMap<string, Pools>, { shots, validation, test }: SplitOptions): void {
  const testCount = test === "rest" ? 1 : test;
  const short = [...pools].flatMap(([name, pool]) => {
    const needed = {
      train: shots + (pool.validation.length > 0 ? 0 : validation) + (pool.test.length > 0 ? 0 : testCount),
      validation: pool.validation.length > 0 ? validation : 0,
      test: pool.test.length > 0 ? testCount : 0,
    };
    const hasGiven = pool.validation.length + pool.test.length > 0;
    return (["train", "validation", "test"] as const)
      .filter((part) => pool[part].length < needed[part])
      .map((part) => ({ name, part, has: pool[part].length, needs: needed[part], hasGiven }));
  });
  const [first] = short;
  if (!first) return;
  const list = short
    .map(({ name, part, has, needs, hasGiven }) =>
      hasGiven ? `"${name}" has ${has} of ${needs} in ${part}` : `"${name}" has ${has}`,
    )
    .join(", ");
  const hint = short.some(({ has }) => has === 1)
    ? " A class with one object can never be trained and tested honestly; if its views show different objects, put each object into a folder of its own (class/object/view.jpg) or all photos directly into the class folder (class/photo.jpg)."
    : "";
  throw new DataError(
    `Too few objects: ${list}; a split of ${shots} training + ${validation} validation + ${testCount} test objects needs ${shots + validation + testCount} in every class. Add photos of more objects, lower these numbers, or list the class under "ignore".${hint}`,
  );
}
