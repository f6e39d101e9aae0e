/** A known class and how likely an object is of it. */
export interface ClassProbability {
  readonly className: string;
  /** Calibrated: of the objects with 0.9, nine of ten are of this class, if they are known at all. */
  readonly probability: number;
}

/** What a classifier says about one object. */
export interface Verdict {
  /** Photos of the object that were looked at. */
  readonly views: number;
  /** Whether it is called unknown: `pValue` is at most the classifier's level. */
  readonly isUnknown: boolean;
  /** The most likely known class; of an unknown object the one that it resembles most. */
  readonly className: string;
  /** Calibrated probability of that class among the known ones. */
  readonly confidence: number;
  /** Share of known calibration objects that look no less unknown, 1 / (objects + 1) … 1. */
  readonly pValue: number;
  /** 1 - `pValue`, 0 … 1: the share of known calibration objects that look more surely known. */
  readonly unknownScore: number;
  /** The score of the classifier's detector, HIGHER = more surely known. */
  readonly score: number;
  /** All known classes, the most likely first. */
  readonly classes: readonly ClassProbability[];
}

/** How a verdict is called: the known class, or `unknown`. */
export function verdictName({ isUnknown, className }: Pick<Verdict, "isUnknown" | "className">): string {
  return isUnknown ? UNKNOWN : className;
}

/** What an object of no known class is called, and the folder that it is sorted into. */
export const UNKNOWN = "unknown";
