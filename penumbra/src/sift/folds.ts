import { dealObjects } from "../unknowns/index.ts";
import { SiftError } from "./errors.ts";

/**
 * Deals the objects of each class to folds in turn, so that every fold holds about as many of each class. With one fold
 * nothing is left out.
 *
 * @returns the fold of each photo, 0 … folds - 1
 * @throws SiftError where several folds are asked for and a class has fewer than two objects: nothing of it would be
 *   left to judge by
 */
export function foldsOf(
  photos: readonly { readonly className: string; readonly object: string }[],
  folds: number,
): number[] {
  if (folds === 1) return photos.map(() => 0);
  const objects = new Map<string, Set<string>>();
  for (const { className, object } of photos)
    objects.set(className, (objects.get(className) ?? new Set()).add(object));
  const single = [...objects].filter(([, { size }]) => size < 2).map(([name]) => `"${name}"`);
  if (single.length > 0) {
    throw new SiftError(
      `Images cannot be sifted: ${single.join(", ")} ${single.length === 1 ? "has" : "have"} a single object to learn from, and each image is judged by the class's other objects. Raise split.shots to 2 or more, or set sift.folds to 1.`,
    );
  }
  return dealObjects(photos, folds);
}
