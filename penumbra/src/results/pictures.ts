import { isCorrect, type StudyScores } from "./figures.ts";
import type { Confusion, Histogram, Mistake } from "./outcome.ts";
import { type PartScores, scoresOf } from "./scored.ts";

const bins = 36;

/**
 * Scores of known, near and far test photos per arm, over all seeds, in equal bins. The scale spans the known ones and
 * three times their spread below; what lies beyond falls into the outer bins, so that far outliers flatten nothing.
 */
export function histogramsOf(scores: StudyScores, detector: string): Histogram[] {
  return scores.arms.map((arm) => {
    const values = (name: "test" | "nearTest" | "farTest") =>
      scores.seeds.flatMap((seed) => [...scoresOf(scores.photo(arm, seed).parts[name], detector)]);
    const [known, near, far] = [values("test"), values("nearTest"), values("farTest")];
    const all = [...known, ...near, ...far].sort((a, b) => a - b);
    const own = [...known].sort((a, b) => a - b);
    const spread = quantile(own, 0.95) - quantile(own, 0.05);
    const low = Math.max(quantile(all, 0.005), quantile(own, 0.05) - 3 * spread);
    const high = Math.min(quantile(all, 0.995), quantile(own, 0.95) + 3 * spread);
    const width = (high - low || 1) / bins;
    const shares = (list: readonly number[]) => {
      const counts = new Array<number>(bins).fill(0);
      for (const value of list) {
        const bin = Math.min(bins - 1, Math.max(0, Math.floor((value - low) / width)));
        counts[bin]! += 1;
      }
      return counts.map((count) => count / Math.max(1, list.length));
    };
    return {
      arm,
      edges: Array.from({ length: bins + 1 }, (_, edge) => low + edge * width),
      known: shares(known),
      near: shares(near),
      far: shares(far),
    };
  });
}

/** A quantile of sorted values. @throws RangeError where there are none */
function quantile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  if (value === undefined)
    throw new RangeError("A study has at least one known test photo: it has no scores.");
  return value;
}

/** Which known class is taken for which, per arm, over all seeds. */
export function confusionsOf(scores: StudyScores, arms: readonly string[]): Confusion[] {
  const { classes, seeds } = scores;
  return arms.map((arm) => {
    const counts = classes.map(() => classes.map(() => 0));
    for (const seed of seeds) {
      const { answers, classNames } = scores.photo(arm, seed).parts.test;
      for (const [index, answer] of answers.entries()) {
        counts[labelOf(classes, classNames[index]!)]![answer]! += 1;
      }
    }
    return { arm, classes, counts };
  });
}

function labelOf(classes: readonly string[], name: string): number {
  const label = classes.indexOf(name);
  if (label >= 0) return label;
  throw new RangeError(
    `The scores have test photos of "${name}", which is no known class. Remove the run's score artifacts and run again.`,
  );
}

/** A mistake before its picture is made: which photo, and all that the caption says. */
export type MistakeFound = Omit<Mistake, "image">;

/**
 * The worst mistakes of an arm over all seeds, at most `count` of each kind and one per object: wrong names by
 * probability, unknowns by how known they look, known photos by how unknown they look.
 */
export function worstMistakes(
  scores: StudyScores,
  arm: string,
  detector: string,
  count: number,
): MistakeFound[] {
  const found = scores.seeds.flatMap((seed) => candidatesOf(scores, arm, detector, seed));
  return mistakeKinds.flatMap(({ kind, badness }) => {
    const worstFirst = found
      .filter((mistake) => mistake.kind === kind)
      .sort((a, b) => badness(b) - badness(a));
    return onePerObject(worstFirst).slice(0, count);
  });
}

/** Every photo of a seed's test in every role in which it could be a mistake. */
function candidatesOf(scores: StudyScores, arm: string, detector: string, seed: number): MistakeFound[] {
  const { validation, test, nearTest, farTest } = scores.photo(arm, seed).parts;
  const reference = [...scoresOf(validation, detector)].sort((a, b) => a - b);
  const candidates = (part: PartScores, kind: Mistake["kind"]) => {
    const ownScores = scoresOf(part, detector);
    return part.ids.map(
      (id, index): MistakeFound => ({
        kind,
        id,
        object: part.objects[index]!,
        truth: part.classNames[index]!,
        answer: scores.classes[part.answers[index]!]!,
        probability: part.probabilities[index]!,
        knownness: shareBelow(reference, ownScores[index]!),
        seed,
      }),
    );
  };
  const isRight = isCorrect(test, scores.classes);
  return [
    ...candidates(test, "wrong class").filter((_, index) => !isRight[index]),
    ...candidates(nearTest, "near called known"),
    ...candidates(farTest, "far called known"),
    ...candidates(test, "known called unknown"),
  ];
}

/** The first mistake of each object: views of one object fail together. */
function onePerObject(mistakes: readonly MistakeFound[]): MistakeFound[] {
  const objects = new Set<string>();
  return mistakes.filter(({ object }) => !objects.has(object) && objects.add(object));
}

const mistakeKinds: readonly {
  readonly kind: Mistake["kind"];
  readonly badness: (mistake: MistakeFound) => number;
}[] = [
  { kind: "wrong class", badness: ({ probability }) => probability },
  { kind: "near called known", badness: ({ knownness }) => knownness },
  { kind: "far called known", badness: ({ knownness }) => knownness },
  { kind: "known called unknown", badness: ({ knownness }) => -knownness },
];

/** Share of sorted values that are smaller. */
function shareBelow(sorted: readonly number[], value: number): number {
  const place = sorted.findIndex((other) => other >= value);
  return sorted.length === 0 ? 0 : (place === -1 ? sorted.length : place) / sorted.length;
}
