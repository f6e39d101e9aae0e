import { auroc } from "../metrics/index.ts";
import type { Detector, FittedDetector } from "./detector.ts";
import type { Samples } from "./samples.ts";

/** Where a detector is fitted and chosen: training photos, and validation photos of known and unknown classes. */
export interface ChoiceSamples {
  readonly train: Samples;
  readonly validation: Samples;
  /**
   * What a choice holds the validation photos against: sets of unknowns for choosing, or images that stand in for
   * them. Each set has the same say. Empty where there is nothing to choose by: the first candidate is taken.
   */
  readonly unknown: readonly Samples[];
}

/** What came of one candidate. */
export interface Trial {
  /** What it was fitted with. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Mean AUROC over the sets of unknowns; null where there is nothing to choose by. */
  readonly auroc: number | null;
  readonly isChosen: boolean;
}

export interface Choice {
  readonly detector: FittedDetector;
  /** Every candidate, in the order tried; empty for a detector that has nothing to choose. */
  readonly trials: readonly Trial[];
}

/**
 * Fits a detector; of several candidates the one with the highest AUROC of VALIDATION knowns against the unknowns for
 * choosing, the first of equal ones. Test photos have no say.
 *
 * @param settings the candidates of `detector.tuning`; default its own
 * @param fit how the detector is fitted; default its own way, which a caller may want to remember the results of
 * @throws UnknownsError when the samples lack what it needs
 */
export function fitChosen(
  detector: Detector,
  { train, validation, unknown }: ChoiceSamples,
  settings: Readonly<Record<string, unknown>> = {},
  fit: Detector["fit"] = (known, options) => detector.fit(known, options),
): Choice {
  const known = detector.fitsOn === "validation" ? validation : train;
  if (!detector.tuning) return { detector: fit(known), trials: [] };
  const tried = detector.tuning.candidates(settings, imagesOf(train)).map((options) => {
    const fitted = fit(known, options);
    return { fitted, options: { ...options }, auroc: meanAuroc(fitted, validation, unknown) };
  });
  const best = tried.reduce((leader, next) => (isBetter(next.auroc, leader.auroc) ? next : leader));
  return {
    detector: best.fitted,
    trials: tried.map(({ options, auroc }, index) => ({
      ...{ options, auroc },
      isChosen: tried[index] === best,
    })),
  };
}

/** Mean AUROC over sets of unknowns; null where there are none. */
function meanAuroc(fitted: FittedDetector, validation: Samples, unknown: readonly Samples[]): number | null {
  if (unknown.length === 0) return null;
  const known = fitted.score(validation);
  const each = unknown.map((set) => auroc(known, fitted.score(set)));
  return each.reduce((sum, value) => sum + value, 0) / each.length;
}

function isBetter(a: number | null, b: number | null): boolean {
  return a !== null && b !== null && a > b;
}

/** How many images the samples are of; what is missing, fitting says. */
function imagesOf({ features, logits, stages, pixels }: Samples): number {
  const rows = features ?? logits ?? stages?.[0] ?? pixels;
  return rows?.shape[0] ?? Number.POSITIVE_INFINITY;
}
