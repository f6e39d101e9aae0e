import {
  auroc,
  type DetectorTable,
  detectorOf,
  type FittedDetector,
  fitChosen,
  type Samples,
  withSharing,
} from "../../unknowns/index.ts";
import { DeployError } from "./errors.ts";

/** What there is to choose with: nothing of it was seen in training but `train`. */
export interface ChoiceForUse {
  readonly train: Samples;
  readonly calibration: Samples;
  /** Sets of what is not known, each with the same say. */
  readonly unknown: readonly Samples[];
  /** Whether these are near unknowns, or images that stand in for them. */
  readonly by: "near unknowns" | "stand-ins";
}

/** A detector and how well it does. */
export interface TriedDetector {
  readonly name: string;
  readonly fitted: FittedDetector;
  /** AUROC of the calibration photos against the unknowns or stand-ins, the mean over their sets. */
  readonly auroc: number;
}

export interface ChosenDetector extends TriedDetector {
  /** Why it, in a sentence. */
  readonly reason: string;
  /** Those that were not chosen. */
  readonly others: readonly TriedDetector[];
}

/** How people call what was chosen by. */
const WORDS = {
  "near unknowns": "the near unknowns",
  "stand-ins": "images that stand in for unknowns (the photos have none to choose by)",
} as const;

/**
 * Fits detectors and takes the one that tells the calibration photos best from the
 * unknowns to choose by, or from images that stand in for them.
 *
 * @throws DeployError when there is nothing to choose by
 */
export function chooseDetectorForUse(
  { train, calibration, unknown, by }: ChoiceForUse,
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
  if (unknown.length === 0)
    throw new DeployError("A detector cannot be chosen without unknowns or stand-ins.");
  const tried = withSharing([train, calibration, ...unknown], ([learned, held, ...sets]) => {
    const choice = { train: learned as Samples, validation: held as Samples, unknown: sets };
    return names.map((name) => {
      const fitted = fitChosen(detectorOf(name, table), choice, tuning[name]).detector;
      const known = fitted.score(choice.validation);
      const each = sets.map((set) => auroc(known, fitted.score(set)));
      return { name, fitted, auroc: each.reduce((sum, value) => sum + value, 0) / each.length };
    });
  });
  const best = tried.reduce((leader, next) => (next.auroc > leader.auroc ? next : leader));
  const among = names.length === 1 ? "It was the only one" : `Of ${names.length} it was the best`;
  return {
    ...best,
    others: tried.filter((each) => each !== best),
    reason: `${among} at telling the calibration photos from ${WORDS[by]} (AUROC ${(100 * best.auroc).toFixed(1)}).`,
  };
}
