/** What a classifier does to labelled photos, as plain data: `penumbra evaluate` prints it, its page draws it. */

import type { Mistake, RatePoint, UnknownRole } from "./outcome.ts";

/** A share of objects, with its 95 % interval by Wilson's score. */
export interface Share {
  readonly count: number;
  readonly of: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

/** How well the known objects are named. */
export interface KnownFigures {
  readonly accuracy: number;
  /** Mean over classes. */
  readonly balancedAccuracy: number;
  /** Among the five most likely; null with five classes or fewer. */
  readonly top5: number | null;
  readonly macroF1: number;
  /** In nats, of the calibrated probabilities, as the next three. */
  readonly nll: number;
  readonly brier: number;
  readonly ece: number;
  readonly adaptiveEce: number;
  /** Area under the risk-coverage curve, by confidence. */
  readonly aurc: number;
  /** Known objects that are called unknown: false alarms. */
  readonly flagged: Share;
  /** Right ones among those that are not called unknown; null where all are. */
  readonly rightOfAccepted: Share | null;
  readonly classes: readonly {
    readonly className: string;
    readonly objects: number;
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
    readonly flagged: Share;
  }[];
}

/** How well the unknown objects of a class, or of a role (`className` null), are told from the known ones. */
export interface UnknownFigures {
  readonly role: UnknownRole;
  readonly className: string | null;
  readonly objects: number;
  readonly auroc: number;
  readonly auprIn: number;
  readonly auprOut: number;
  readonly fpr95OodPositive: number;
  readonly fpr95IdPositive: number;
  readonly oscr: number;
  /** Unknown objects that are called unknown. */
  readonly flagged: Share;
}

/** What a classifier does to labelled objects, or to single photos of them. */
export interface Evaluation {
  readonly objects: number;
  readonly classes: readonly string[];
  readonly known: KnownFigures;
  readonly unknowns: readonly UnknownFigures[];
  /** counts[truth][verdict] of known objects; the last column is unknown. */
  readonly confusion: readonly (readonly number[])[];
  /** Known kept over unknown let through, by the detector's score; null where there are none of the role. */
  readonly roc: Readonly<Record<UnknownRole, readonly RatePoint[] | null>>;
  /** Wrong names over answers given, the surest first. */
  readonly risk: readonly RatePoint[];
}

/** A mistake of a classifier: `knownness` is the p-value, `image` a data URI. */
export type EvaluationMistake = Omit<Mistake, "seed">;

/** Everything that the page of an evaluation shows. */
export interface EvaluationReport {
  readonly classifier: string;
  readonly place: string;
  readonly createdAt: string;
  readonly penumbra: string;
  readonly detector: string;
  readonly level: number;
  /** Photos that the classifier was made with, and photos that look almost the same as one of these. */
  readonly seen: { readonly same: number; readonly similar: number };
  readonly photo: Evaluation;
  /** Null where no object has several photos. */
  readonly object: Evaluation | null;
  readonly mistakes: readonly EvaluationMistake[];
  /** Photos that could not be read, and why. */
  readonly unreadable: readonly string[];
}
