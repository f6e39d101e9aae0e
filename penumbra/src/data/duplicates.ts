import { decodeWhole, type White } from "../images/index.ts";
import { groupBy } from "./group.ts";
import { contentHash } from "./inspect.ts";
import { findLike } from "./near-duplicates.ts";
import { readPhoto } from "./sources/index.ts";
import type { Photo, Problem } from "./types.ts";

/**
 * Leaves out photos of the same pixels, whatever their format: of copies in one class all but the first, because a copy
 * counts twice, and in another object it can be tested after its twin was trained on; of copies in several classes
 * every one, because nobody can tell which label is wrong.
 *
 * @param photos in the order that decides which copy is the first
 * @param white of deep photos
 */
export async function leaveOutDuplicates(
  root: string,
  photos: readonly Photo[],
  white: White,
): Promise<{ kept: Photo[]; problems: Problem[] }> {
  const identities = await pixelIdentities(root, photos, white);
  const copies = groupBy(photos, (photo) => identities.get(photo) ?? photo.hash);
  const kept: Photo[] = [];
  const problems: Problem[] = [];
  for (const photo of photos) {
    const found = reasonToLeaveOut(photo, copies.get(identities.get(photo) ?? photo.hash)!);
    if (found) {
      const { message, other } = found;
      problems.push({ kind: "duplicate", file: photo.id, message, isLeftOut: true, other: other.id });
    } else kept.push(photo);
  }
  return { kept, problems };
}

/** Only photos that look alike and have the same size can have the same pixels: nothing else is decoded for it. */
async function pixelIdentities(
  root: string,
  photos: readonly Photo[],
  white: White,
): Promise<Map<Photo, string>> {
  const isSameSize = (a: Photo, b: Photo) =>
    a.width === b.width && a.height === b.height && a.hash !== b.hash;
  const suspects = new Set(findLike(photos, isSameSize).flatMap(({ first, second }) => [first, second]));
  const byHash = new Map<string, string>();
  for (const { id, hash } of suspects) {
    if (byHash.has(hash)) continue;
    const { data } = await decodeWhole(await readPhoto(root, id), { white });
    byHash.set(hash, contentHash(data));
  }
  return new Map(
    photos.flatMap((photo) => {
      const pixels = byHash.get(photo.hash);
      return pixels === undefined ? [] : [[photo, `${photo.width}x${photo.height} ${pixels}`] as const];
    }),
  );
}

function reasonToLeaveOut(
  photo: Photo,
  same: readonly Photo[],
): { readonly message: string; readonly other: Photo } | undefined {
  const foreign = same.find(({ className }) => className !== photo.className);
  if (foreign) {
    return {
      message: `"${photo.id}" is the same picture as "${foreign.id}", of another class: one label is wrong, so neither is used. Remove the wrong one.`,
      other: foreign,
    };
  }
  const [first] = same;
  if (!first || first === photo) return undefined;
  const both = `"${photo.id}" is the same picture as "${first.id}"`;
  return {
    message:
      photo.object === first.object
        ? `${both}, of the same object: it would count twice. Remove one.`
        : `${both}, of another object: one could be tested after the other was learned. Remove one.`,
    other: first,
  };
}
