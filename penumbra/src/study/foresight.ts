import type { Split } from "../data/index.ts";
import {
  detectableDifference,
  FEWEST_DECIDING_SEEDS,
  hypothesesAbout,
  levelOf,
  questionsOf,
} from "../results/index.ts";
import { designsOf } from "./arms/index.ts";
import type { LoadedConfig } from "./config/index.ts";

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
  /** That are corrected for their number, among which a difference has to stand out. */
  readonly hypotheses: number;
  readonly accuracy: number | null;
  readonly near: number | null;
}

/** What a study of so many seeds and test objects can tell from chance, if arms vary as they did where it was measured. */
export function foresee(
  { test, nearTest }: Pick<Split, "test" | "nearTest">,
  { config, tables }: Pick<LoadedConfig, "config" | "tables">,
): Foresight {
  const objectsOf = (photos: Split["test"]) => new Set(photos.map(({ object }) => object)).size;
  const known = objectsOf(test);
  const near = objectsOf(nearTest);
  const seeds = config.seeds.length;
  const arms = designsOf(config.arms, tables.arms);
  const asked = hypothesesAbout({ arms, questions: questionsOf(arms) });
  const hypotheses = asked.filter(({ outcome }) => outcome === "accuracy" || near > 0).length;
  const confidence = levelOf(hypotheses, config.statistics.confidence);
  const difference = (of: keyof typeof MEASURED, objects: number) => {
    const { deviation, byObjects, objects: measured } = MEASURED[of];
    const objectVariance = (byObjects ** 2 * measured) / objects;
    return detectableDifference({ deviation, seeds, objectVariance, objects, confidence });
  };
  if (seeds < FEWEST_DECIDING_SEEDS) return { seeds, hypotheses, accuracy: null, near: null };
  return {
    ...{ seeds, hypotheses },
    accuracy: difference("accuracy", known),
    near: near === 0 ? null : difference("near", known + near),
  };
}

/** The foresight as one line for people. */
export function describeForesight({ seeds, hypotheses, accuracy, near }: Foresight): string {
  if (accuracy === null) {
    const few = seeds === 1 ? "one seed decides" : `${seeds} seeds decide`;
    return `Power: ${few} nothing; five or more give a useful answer`;
  }
  const points = (value: number) => (100 * value).toFixed(1);
  const unknowns = near === null ? "" : ` and of ${points(near)} in near AUROC`;
  const among = hypotheses > 1 ? `, corrected for ${hypotheses} hypotheses` : "";
  return `Power: ${seeds} seeds find a difference of ${points(accuracy)} points in accuracy${unknowns} in four of five studies${among}, if arms vary as on the example of docs/evidence.md`;
}
