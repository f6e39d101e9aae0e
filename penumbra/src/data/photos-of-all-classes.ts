import { groupBy } from "./group.ts";
import type { Photo } from "./types.ts";

/** Photos of as many classes as there are: the first of each, then the second of each, and so on. */
export function photosOfAllClasses(photos: readonly Photo[], count: number): Photo[] {
  const lists = [...groupBy(photos, ({ className }) => className).values()];
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, turn) => lists.flatMap((list) => list.slice(turn, turn + 1)))
    .flat()
    .slice(0, count);
}
