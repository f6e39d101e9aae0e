/** Which classes are taken for each other, where there are too many to show them all. */
import type { Confusion } from "./outcome.ts";

/** A class that was taken for another one. */
export interface ConfusedPair {
  readonly truth: number;
  readonly answer: number;
  /** Items of the true class that were given the answer, and all of that class. */
  readonly count: number;
  readonly of: number;
}

/** Pairs of different classes by how many items went from the first to the second, at most `most`, the worst first. */
export function worstPairs({ counts }: Pick<Confusion, "counts">, most: number): ConfusedPair[] {
  return counts
    .flatMap((row, truth) => {
      const of = sum(row);
      return row.flatMap((count, answer) =>
        count > 0 && answer !== truth ? [{ truth, answer, count, of }] : [],
      );
    })
    .sort(
      (a, b) =>
        b.count - a.count || b.count / b.of - a.count / a.of || a.truth - b.truth || a.answer - b.answer,
    )
    .slice(0, most);
}

/**
 * The classes of the worst pairs, at most `most`, in an order in which classes that are taken for each other stand
 * together: that of the leaves of average-linkage clustering (Sokal & Michener 1958), similarity being the mean of the
 * shares of both classes that were taken for the other.
 */
export function confusedClasses(confusion: Pick<Confusion, "counts">, most: number): number[] {
  const chosen = new Set<number>();
  for (const { truth, answer } of worstPairs(confusion, Number.POSITIVE_INFINITY)) {
    if (new Set([...chosen, truth, answer]).size > most) break;
    chosen.add(truth).add(answer);
  }
  return clustered(
    [...chosen].sort((a, b) => a - b),
    similarityIn(confusion),
  );
}

/** The rows and columns of some classes, in their order. */
export function partOf({ arm, classes, counts }: Confusion, chosen: readonly number[]): Confusion {
  return {
    arm,
    classes: chosen.map((index) => classes[index]!),
    counts: chosen.map((truth) => chosen.map((answer) => counts[truth]![answer]!)),
  };
}

/** Confusions of the same classes as one. */
export function addedUp(confusions: readonly Confusion[]): Pick<Confusion, "counts"> {
  const [first, ...others] = confusions;
  if (!first) return { counts: [] };
  return {
    counts: first.counts.map((row, truth) =>
      row.map((count, answer) => others.reduce((all, { counts }) => all + counts[truth]![answer]!, count)),
    ),
  };
}

type Similarity = (a: number, b: number) => number;

function similarityIn({ counts }: Pick<Confusion, "counts">): Similarity {
  const totals = counts.map((row) => Math.max(1, sum(row)));
  return (a, b) => (counts[a]![b]! / totals[a]! + counts[b]![a]! / totals[b]!) / 2;
}

/** Joins the two most similar groups until one is left; groups that come first win ties. */
function clustered(items: readonly number[], similarity: Similarity): number[] {
  let groups = items.map((item) => [item]);
  while (groups.length > 1) {
    let best = { similarity: -1, a: 0, b: 1 };
    for (let a = 0; a < groups.length; a++) {
      for (let b = a + 1; b < groups.length; b++) {
        const mean = meanSimilarity(groups[a]!, groups[b]!, similarity);
        if (mean > best.similarity) best = { similarity: mean, a, b };
      }
    }
    const joined = [...groups[best.a]!, ...groups[best.b]!];
    groups = groups.flatMap((group, index) =>
      index === best.a ? [joined] : index === best.b ? [] : [group],
    );
  }
  return groups.flat();
}

function meanSimilarity(a: readonly number[], b: readonly number[], similarity: Similarity): number {
  const all = a.flatMap((x) => b.map((y) => similarity(x, y)));
  return sum(all) / all.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
