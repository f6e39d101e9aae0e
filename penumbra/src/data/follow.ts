import { DataError } from "./errors.ts";
import type { Split } from "./split.ts";

/** Something made from a photo: a redraw, a crop, a variant. */
export interface Child {
  /** `Photo.id` of the photo it was made from. */
  readonly parent: string;
  /** `Photo.object` of that photo. */
  readonly object: string;
}

/** Children by where their parents' objects are; `unused` has those whose objects this split leaves aside. */
export interface Descendants<C extends Child> {
  readonly train: readonly C[];
  readonly validation: readonly C[];
  readonly test: readonly C[];
  readonly unused: readonly C[];
}

/**
 * Puts each child where its parent's object is: a synthetic image knows what its parent looks like, so one that
 * strays from a test object into training gives the test away.
 *
 * @throws DataError when a parent is an unknown (near or far): unknowns must not be redrawn
 */
export function followParents<C extends Child>(children: readonly C[], split: Split): Descendants<C> {
  const placeOf = new Map<string, keyof Split>();
  for (const place of PLACES) for (const { object } of split[place]) placeOf.set(object, place);
  const result = { train: [] as C[], validation: [] as C[], test: [] as C[], unused: [] as C[] };
  for (const child of children) {
    const place = placeOf.get(child.object) ?? "unused";
    if (place === "nearValidation" || place === "nearTest" || place === "farTest") {
      throw new DataError(
        `A synthetic image was made from "${child.parent}", a photo of an unknown class. Unknowns are for testing only: redraw photos of known classes.`,
      );
    }
    result[place].push(child);
  }
  return result;
}

/**
 * The same children, once it is certain that every one descends from a training object.
 *
 * @throws DataError naming the first child of a validation, test, unknown or unused object
 */
export function requireTrainParents<C extends Child>(children: readonly C[], split: Split): readonly C[] {
  const { validation, test, unused } = followParents(children, split);
  const stray = test[0] ?? validation[0] ?? unused[0];
  if (!stray) return children;
  const place = test[0]
    ? "a test object"
    : validation[0]
      ? "a validation object"
      : "an object outside this split";
  throw new DataError(
    `A synthetic image descends from ${place}: its parent is "${stray.parent}" (object "${stray.object}"). Only photos of training objects may be redrawn; redraw with the split of this seed.`,
  );
}

const PLACES = ["train", "validation", "test", "nearValidation", "nearTest", "farTest"] as const;
