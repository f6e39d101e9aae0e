import {
  auroc,
  type DetectorTable,
  detectorOf,
  type FittedDetector,
  fitChosen,
  type Need,
  type Samples,
} from "../../unknowns/index.ts";
import { DeployError } from "./errors.ts";

/** What there is to choose with: nothing of it was seen in training but `train`. */
export interface ChoiceForUse {
  readonly train: Samples;
  readonly calibration: Samples;
  /** Near unknowns; null where the folder has none. */
  readonly near: Samples | null;
}

export interface ChosenDetector {
  readonly name: string;
  readonly fitted: FittedDetector;
  /** AUROC of the calibration photos against the near unknowns; null without any. */
  readonly auroc: number | null;
  /** Why it, in a sentence. */
  readonly reason: string;
}

/** What can be kept in a folder and judged of several views at once: features, and what is computed of them. */
const KEPT: ReadonlySet<Need> = new Set(["features", "stages", "logits", "classifier"]);

/** Taken where there are no unknowns to choose by: it looks at the encoder alone and leads on near unknowns. */
const WITHOUT_CHOICE = "mahalanobis";

/**
 * Fits the detectors that a classifier can keep and takes the one that tells the calibration photos best from the near
 * unknowns; without near unknowns Mahalanobis, or the first where it is not among them.
 *
 * @throws DeployError when all of them look at pixels
 */
export function chooseDetectorForUse(
  { train, calibration, near }: ChoiceForUse,
  {
    names,
    table,
    tuning,
  }: {
    readonly names: readonly string[];
    readonly table: DetectorTable;
    readonly tuning: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
  },
): ChosenDetector {
  const kept = names.filter((name) => detectorOf(name, table).needs.every((need) => KEPT.has(need)));
  if (kept.length === 0) {
    throw new DeployError(
      `A classifier cannot keep ${names.join(", ")}: they look at pixels through the whole network. Add another to "detectors", such as ${WITHOUT_CHOICE}.`,
    );
  }
  const fit = (name: string) => {
    const choice = { train, validation: calibration, unknown: near ? [near] : [] };
    return fitChosen(detectorOf(name, table), choice, tuning[name]).detector;
  };
  const titleOf = (name: string) => detectorOf(name, table).title;
  if (!near) {
    const name = kept.includes(WITHOUT_CHOICE) ? WITHOUT_CHOICE : kept[0]!;
    const reason = `The photos have no near unknowns to choose by, so ${titleOf(name)} was taken.`;
    return { name, fitted: fit(name), auroc: null, reason };
  }
  const tried = kept.map((name) => {
    const fitted = fit(name);
    return { name, fitted, auroc: auroc(fitted.score(calibration), fitted.score(near)) };
  });
  const best = tried.reduce((leader, next) => (next.auroc > leader.auroc ? next : leader));
  const among = kept.length === 1 ? "It was the only one" : `Of ${kept.length} it was the best`;
  return {
    ...best,
    reason: `${among} at telling the calibration photos from the near unknowns (AUROC ${(100 * best.auroc).toFixed(1)}).`,
  };
}
