import type { Photo, Problem } from "./types.ts";

/**
 * Reports files of the same content. Within one object a copy is harmless; across objects it can lie on both sides
 * of a split, and across classes one of its labels is wrong.
 *
 * @returns one warning per extra copy; no photo is left out
 */
export function findDuplicates(photos: readonly Photo[]): Problem[] {
  const first = new Map<string, Photo>();
  const problems: Problem[] = [];
  for (const photo of photos) {
    const original = first.get(photo.hash);
    if (!original) first.set(photo.hash, photo);
    else
      problems.push({
        kind: "duplicate",
        file: photo.id,
        message: describe(photo, original),
        isLeftOut: false,
      });
  }
  return problems;
}

function describe(photo: Photo, original: Photo): string {
  const both = `"${photo.id}" is the same picture as "${original.id}"`;
  if (photo.className !== original.className) {
    return `${both}, of another class: at least one label is wrong. Remove the wrong one.`;
  }
  if (photo.object !== original.object) {
    return `${both}, of another object: if one is trained on and one tested, the result is not honest. Remove one, or move both into one object's folder.`;
  }
  return `${both}, of the same object: it only counts twice. Remove one.`;
}
