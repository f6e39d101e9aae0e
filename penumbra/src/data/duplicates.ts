import type { Photo, Problem } from "./types.ts";

/**
 * Leaves out files of the same content: of copies in one class all but the first, because a copy counts twice, and
 * in another object it can be tested after its twin was trained on; of copies in several classes every one, because
 * nobody can tell which label is wrong.
 *
 * @param photos in the order that decides which copy is the first
 */
export function leaveOutDuplicates(photos: readonly Photo[]): { kept: Photo[]; problems: Problem[] } {
  const copies = new Map<string, Photo[]>();
  for (const photo of photos) {
    const same = copies.get(photo.hash);
    if (same) same.push(photo);
    else copies.set(photo.hash, [photo]);
  }
  const kept: Photo[] = [];
  const problems: Problem[] = [];
  for (const photo of photos) {
    const reason = reasonToLeaveOut(photo, copies.get(photo.hash) ?? []);
    if (reason) problems.push({ kind: "duplicate", file: photo.id, message: reason, isLeftOut: true });
    else kept.push(photo);
  }
  return { kept, problems };
}

function reasonToLeaveOut(photo: Photo, same: readonly Photo[]): string | undefined {
  const foreign = same.find(({ className }) => className !== photo.className);
  if (foreign) {
    return `"${photo.id}" is the same picture as "${foreign.id}", of another class: one label is wrong, so neither is used. Remove the wrong one.`;
  }
  const [first] = same;
  if (!first || first === photo) return undefined;
  const both = `"${photo.id}" is the same picture as "${first.id}"`;
  return photo.object === first.object
    ? `${both}, of the same object: it would count twice. Remove one.`
    : `${both}, of another object: one could be tested after the other was learned. Remove one.`;
}
