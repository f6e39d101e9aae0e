import { auroc } from "../metrics/index.ts";
import type { Detector, FittedDetector } from "./detector.ts";
import type { Samples } from "./samples.ts";

/** Where a detector is fitted and chosen: training photos, and validation photos of known and unknown classes. */
export interface ChoiceSamples {
  readonly train: Samples;
  readonly validation: Samples;
  /** Null where there are no validation unknowns: the first candidate is taken. */
  readonly unknown: Samples | null;
}

/**
 * Fits a detector; of several candidates the one with the highest AUROC of VALIDATION knowns against VALIDATION
 * unknowns, the first of equal ones.
 *
 * @param settings the candidates of `detector.tuning`; default its own
 * @throws UnknownsError when the samples lack what it needs
 */
export function fitChosen(
  detector: Detector,
  { train, validation, unknown }: ChoiceSamples,
  settings: Readonly<Record<string, unknown>> = {},
): FittedDetector {
  const known = detector.fitsOn === "validation" ? validation : train;
  if (!detector.tuning) return detector.fit(known);
  const images = (train.features ?? train.logits)?.shape[0];
  if (images === undefined) return detector.fit(known); // says what is missing
  const fitted = detector.tuning.candidates(settings, images).map((options) => detector.fit(known, options));
  const [first, ...others] = fitted as [FittedDetector, ...FittedDetector[]];
  if (!unknown || others.length === 0) return first;
  const aurocOf = (candidate: FittedDetector) => auroc(candidate.score(validation), candidate.score(unknown));
  let best = { detector: first, value: aurocOf(first) };
  for (const candidate of others) {
    const value = aurocOf(candidate);
    if (value > best.value) best = { detector: candidate, value };
  }
  return best.detector;
}
