import { hashDistance, tileDistance } from "../images/index.ts";
import type { Photo } from "./types.ts";

/** Two photos that look almost the same. */
export interface LikePair<Item = Photo> {
  /** The one that comes first in the list. */
  readonly first: Item;
  readonly second: Item;
}

/** Bits of pHash and mean grey levels of the tile that may differ; re-encoding and scaling stay well within. */
const MOST_BITS = 4;
const MOST_LEVELS = 2.5;
/** A flat picture's hash is noise. */
const LEAST_DEVIATION = 1;

/** With up to four differing bits, one of five stretches of the hash is the same (pigeonhole). */
const STRETCH_BITS = 13;
const STRETCHES = 5;

/**
 * Pairs of photos that look almost the same: the same picture in another format, size or quality, or two shots of a
 * thing that did not move. Found by pHash, confirmed by small copies of the pictures.
 *
 * @param wanted which pairs matter
 * @returns in the order of the photos; of pictures in one place many times, each with the first it resembles
 */
export function findLike<Item extends Pick<Photo, "look">>(
  photos: readonly Item[],
  wanted: (first: Item, second: Item) => boolean,
): LikePair<Item>[] {
  const buckets = new Map<number, number[]>();
  const pairs: LikePair<Item>[] = [];
  for (const [index, second] of photos.entries()) {
    const { look } = second;
    if (look.deviation < LEAST_DEVIATION) continue;
    const tried = new Set<number>();
    let match: number | undefined;
    for (const key of stretchesOf(look.perceptual)) {
      const bucket = buckets.get(key);
      if (!bucket) buckets.set(key, [index]);
      else {
        if (match === undefined) match = bucket.find((at) => !tried.has(at) && isMatch(at));
        for (const at of bucket) tried.add(at);
        if (bucket.length < MOST_IN_BUCKET) bucket.push(index);
      }
    }
    if (match !== undefined) pairs.push({ first: photos[match]!, second });

    function isMatch(at: number): boolean {
      const first = photos[at]!;
      return (
        hashDistance(first.look.perceptual, look.perceptual) <= MOST_BITS &&
        tileDistance(first.look.tile, look.tile) <= MOST_LEVELS &&
        wanted(first, second)
      );
    }
  }
  return pairs;
}

/** So that a hundred thousand pictures of one thing do not take a hundred thousand comparisons each. */
const MOST_IN_BUCKET = 500;

/** The stretches of a hash, from its lowest bit, as numbers that differ between stretches too. */
function stretchesOf(hash: string): number[] {
  const [high, low] = [Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8), 16)];
  const mask = 2 ** STRETCH_BITS - 1;
  return Array.from({ length: STRETCHES }, (_, i) => {
    const start = STRETCH_BITS * i;
    const bits =
      start >= 32
        ? high >>> (start - 32)
        : (low >>> start) | (start + STRETCH_BITS > 32 ? high << (32 - start) : 0);
    return i * 2 ** STRETCH_BITS + (bits & mask);
  });
}
