import type { Split } from "../data/index.ts";
import { detectableDifference, type StatisticsSettings } from "../results/index.ts";

/**
 * What paired differences between arms varied by on 16 classes of rendered parts (docs/evidence.md): the median over 17
 * questions of the deviation from seed to seed, and of that by the test objects drawn, by photo.
 */
const MEASURED = {
  accuracy: { deviation: 0.0102, byObjects: 0.0043, objects: 254 },
  near: { deviation: 0.0145, byObjects: 0.0039, objects: 286 },
} as const;

/** The differences that a study finds in four of five repetitions; 0.01 = one point. Null where it can find none. */
export interface Foresight {
  readonly seeds: number;
  readonly accuracy: number | null;
  readonly near: number | null;
}

/** What a study of so many seeds and test objects can tell from chance, if arms vary as they did where it was measured. */
export function foresee(
  { test, nearTest }: Pick<Split, "test" | "nearTest">,
  seeds: number,
  { confidence }: Pick<StatisticsSettings, "confidence">,
): Foresight {
  const objectsOf = (photos: Split["test"]) => new Set(photos.map(({ object }) => object)).size;
  const known = objectsOf(test);
  const near = objectsOf(nearTest);
  const difference = (of: keyof typeof MEASURED, objects: number) => {
    const { deviation, byObjects, objects: measured } = MEASURED[of];
    const objectVariance = (byObjects ** 2 * measured) / objects;
    return detectableDifference({ deviation, seeds, objectVariance, objects, confidence });
  };
  if (seeds < 2) return { seeds, accuracy: null, near: null };
  return {
    seeds,
    accuracy: difference("accuracy", known),
    near: near === 0 ? null : difference("near", known + near),
  };
}

/** The foresight as one line for people. */
export function describeForesight({ seeds, accuracy, near }: Foresight): string {
  if (accuracy === null) return "Power: one seed decides nothing; five or more give a useful answer";
  const points = (value: number) => (100 * value).toFixed(1);
  const unknowns = near === null ? "" : ` and of ${points(near)} in near AUROC`;
  return `Power: ${seeds} seeds find a difference of ${points(accuracy)} points in accuracy${unknowns} in four of five studies, if arms vary as on the example of docs/evidence.md`;
}
