import { findLike, type Photo } from "../../data/index.ts";
import type { UsedPhoto } from "./classifier-files.ts";

/** A photo that a classifier was made with, or one that looks almost the same. */
export interface SeenPhoto {
  readonly photo: Photo;
  /** The photo that it was made with. */
  readonly used: string;
  /** Whether it is the same file; else it only looks the same. */
  readonly isSame: boolean;
}

/**
 * Photos that a classifier was made with, under whatever name: the same bytes, or almost the same picture (pHash and
 * small copies, as `penumbra check` compares: another format, size or quality).
 */
export function seenPhotos(photos: readonly Photo[], used: readonly UsedPhoto[]): SeenPhoto[] {
  const byHash = new Map(used.map(({ hash, id }) => [hash, id]));
  const same = photos.flatMap((photo): SeenPhoto[] => {
    const id = byHash.get(photo.hash);
    return id === undefined ? [] : [{ photo, used: id, isSame: true }];
  });
  const others = photos.filter(({ hash }) => !byHash.has(hash));
  const mine = new Set<unknown>(used);
  const likes = findLike<Photo | UsedPhoto>(
    [...used, ...others],
    (first, second) => mine.has(first) && !mine.has(second),
  );
  const similar = likes.map(
    ({ first, second }): SeenPhoto => ({ photo: second as Photo, used: first.id, isSame: false }),
  );
  return [...same, ...similar];
}
