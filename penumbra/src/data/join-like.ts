import { findLike } from "./near-duplicates.ts";
import type { Photo } from "./types.ts";

/**
 * Puts photos of one class that look almost the same into one object: shots of a thing that did not move, frames of a
 * recording that lies unsorted. Chains join: what resembles a member belongs to it.
 *
 * @returns the photos in the same order; an object takes the name of its first photo's
 */
export function joinLike(photos: readonly Photo[]): Photo[] {
  const parent = new Map(photos.map(({ object }) => [object, object]));
  const rootOf = (object: string): string => {
    let root = object;
    for (let next = parent.get(root)!; next !== root; next = parent.get(root)!) root = next;
    parent.set(object, root);
    return root;
  };
  const isJoinable = (a: Photo, b: Photo) => a.className === b.className && a.split === b.split;
  for (const { first, second } of findLike(photos, isJoinable)) {
    parent.set(rootOf(second.object), rootOf(first.object));
  }
  return photos.map((photo) => ({ ...photo, object: rootOf(photo.object) }));
}
