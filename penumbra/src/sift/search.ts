export interface StrengthSearch {
  /** How many strengths are searched side by side, one for each class. */
  readonly count: number;
  /** Bounds of the strengths, 0..1. */
  readonly lowest: number;
  readonly highest: number;
  /** The share of images that shall still look known, 0..1. */
  readonly wanted: number;
  /** Bisections. */
  readonly rounds: number;
  /** Draws some images of each class at its strength and tells which share of them looks known. */
  readonly sharesKnown: (strengths: readonly number[]) => Promise<readonly number[]>;
}

/**
 * For each class the strength at which a wanted share of its images still looks known, by bisection: the share falls as
 * strength rises. Where even the lowest strength leaves fewer, it comes near the lowest, where the highest leaves more,
 * near the highest.
 */
export async function searchStrengths({
  count,
  lowest,
  highest,
  wanted,
  rounds,
  sharesKnown,
}: StrengthSearch): Promise<number[]> {
  const bounds = Array.from({ length: count }, () => ({ low: lowest, high: highest }));
  const middles = () => bounds.map(({ low, high }) => (low + high) / 2);
  for (let round = 0; round < rounds; round++) {
    const strengths = middles();
    const shares = await sharesKnown(strengths);
    for (const [place, bound] of bounds.entries()) {
      const side = (shares[place] as number) > wanted ? "low" : "high";
      bound[side] = strengths[place] as number;
    }
  }
  return middles();
}
