/** Scores of images, one number each; HIGHER means more surely known. Plain and typed arrays both serve. */
export type Scores = ArrayLike<number>;

/** A score that ties several known and unknown images. */
export interface ScoreGroup {
  readonly score: number;
  readonly known: number;
  readonly unknown: number;
}

/**
 * Counts known and unknown images at every distinct score, lowest score (least known) first.
 *
 * @throws RangeError when either set is empty or holds a NaN: no metric of separation is defined then
 */
export function groupByScore(known: Scores, unknown: Scores): ScoreGroup[] {
  requireScores(known, "known");
  requireScores(unknown, "unknown");
  const all: { score: number; isKnown: boolean }[] = [];
  for (let i = 0; i < known.length; i++) all.push({ score: known[i] as number, isKnown: true });
  for (let i = 0; i < unknown.length; i++) all.push({ score: unknown[i] as number, isKnown: false });
  all.sort((a, b) => (a.score < b.score ? -1 : a.score > b.score ? 1 : 0)); // a - b is NaN for two infinities
  const groups: { score: number; known: number; unknown: number }[] = [];
  for (const { score, isKnown } of all) {
    let group = groups.at(-1);
    if (group?.score !== score) {
      group = { score, known: 0, unknown: 0 };
      groups.push(group);
    }
    if (isKnown) group.known++;
    else group.unknown++;
  }
  return groups;
}

/** @throws RangeError when the set is empty or holds a NaN */
export function requireScores(scores: Scores, what: string): void {
  if (scores.length === 0) {
    throw new RangeError(
      `There are no ${what} scores; a metric needs at least one of each kind. Add ${what} images to the split.`,
    );
  }
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) {
      throw new RangeError(
        `Score ${i} of the ${what} images is NaN. Check the encoder's features for NaN before scoring.`,
      );
    }
  }
}
