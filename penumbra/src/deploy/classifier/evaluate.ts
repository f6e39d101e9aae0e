import { groupBy, type Manifest, type Photo, type Role } from "../../data/index.ts";
import {
  accuracy,
  adaptiveEce,
  auprIn,
  auprOut,
  aurc,
  auroc,
  brier,
  classFigures,
  ece,
  fpr95IdPositive,
  fpr95OodPositive,
  macroAccuracy,
  macroF1,
  nll,
  oscr,
  topAccuracy,
} from "../../unknowns/index.ts";
import type { Classifier } from "./classifier.ts";
import { DeployError } from "./errors.ts";
import { predictEach } from "./predict-each.ts";
import type { Verdict } from "./verdict.ts";

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
  readonly role: Exclude<Role, "known">;
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

/** What a classifier does to labelled objects. */
export interface Evaluation {
  readonly objects: number;
  readonly classes: readonly string[];
  readonly known: KnownFigures;
  readonly unknowns: readonly UnknownFigures[];
  /** counts[truth][verdict] of known objects; the last column is unknown. */
  readonly confusion: readonly (readonly number[])[];
  /** Photos that could not be read, and why. */
  readonly unreadable: readonly string[];
}

/** A verdict beside the truth. */
export interface LabelledVerdict {
  readonly role: Role;
  readonly className: string;
  readonly verdict: Verdict;
}

export interface EvaluateOptions {
  /** All photos of an object together, or each by itself. Default "photo". */
  readonly unit?: "photo" | "object";
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Judges labelled photos and compares: known classes by name, near and far unknowns by whether they are called unknown.
 *
 * @throws DeployError for a known class that the classifier does not know, and where no known photo can be read
 */
export async function evaluateClassifier(
  classifier: Classifier,
  manifest: Manifest,
  { unit = "photo", onProgress }: EvaluateOptions = {},
): Promise<Evaluation> {
  requireClasses(classifier, manifest);
  const groups =
    unit === "photo"
      ? manifest.photos.map((photo) => [photo])
      : [...groupBy(manifest.photos, ({ object, role }) => `${role}/${object}`).values()];
  const objects = groups.map((photos) => ({
    name: photos[0]!.object,
    first: photos[0]!,
    photos: photos.map(({ id }) => `${manifest.root}/${id}`),
  }));
  const lines: LabelledVerdict[] = [];
  const unreadable: string[] = [];
  let done = 0;
  for await (const { object, verdict, unreadable: left } of predictEach(classifier, objects)) {
    const { role, className }: Photo = object.first;
    if (verdict) lines.push({ role, className, verdict });
    for (const { photo, reason } of left) unreadable.push(`${object.photos[photo]}: ${reason}`);
    onProgress?.(++done, objects.length);
  }
  return { ...figuresOf(lines, classifier.classes), unreadable };
}

function requireClasses({ classes, name }: Classifier, manifest: Manifest): void {
  const strange = manifest.classes.filter((className) => !classes.includes(className));
  if (strange.length === 0) return;
  throw new DeployError(
    `The classifier ${name} does not know the class ${strange.map((className) => `"${className}"`).join(", ")}. Put it below a folder called near or far, or name it under roles.near or roles.far in a configuration. It knows ${classes.join(", ")}.`,
  );
}

/**
 * The figures of labelled verdicts.
 * @throws DeployError without a known object
 */
export function figuresOf(
  lines: readonly LabelledVerdict[],
  classes: readonly string[],
): Omit<Evaluation, "unreadable"> {
  const known = lines.filter(({ role }) => role === "known");
  if (known.length === 0)
    throw new DeployError("No photo of a known class could be read. Add photos of the classes it knows.");
  const roles = (["near", "far"] as const).flatMap((role) => {
    const unknown = lines.filter((line) => line.role === role);
    if (unknown.length === 0) return [];
    const byClass = [...groupBy(unknown, ({ className }) => className)];
    return [
      unknownFigures(known, unknown, role, null),
      ...byClass.map(([className, some]) => unknownFigures(known, some, role, className)),
    ];
  });
  return {
    objects: lines.length,
    classes,
    known: knownFigures(known, classes),
    unknowns: roles,
    confusion: confusionOf(known, classes),
  };
}

function knownFigures(known: readonly LabelledVerdict[], classes: readonly string[]): KnownFigures {
  const labels = known.map(({ className }) => classes.indexOf(className));
  // The softmax of ln p is p.
  const rows = known.map(({ verdict }) => {
    const probabilities = new Map(verdict.classes.map((item) => [item.className, item.probability]));
    return classes.map((className) => Math.log(probabilities.get(className)!));
  });
  const isRight = known.map(({ className, verdict }) => verdict.className === className);
  const accepted = known.filter(({ verdict }) => !verdict.isUnknown);
  const figures = classFigures(rows, labels);
  return {
    accuracy: accuracy(rows, labels),
    balancedAccuracy: macroAccuracy(rows, labels),
    top5: classes.length > 5 ? topAccuracy(rows, labels, 5) : null,
    macroF1: macroF1(figures),
    nll: nll(rows, labels),
    brier: brier(rows, labels),
    ece: ece(rows, labels),
    adaptiveEce: adaptiveEce(rows, labels),
    aurc: aurc(
      known.map(({ verdict }) => verdict.confidence),
      isRight,
    ),
    flagged: flaggedOf(known),
    rightOfAccepted:
      accepted.length === 0
        ? null
        : shareOf(
            accepted.filter(({ className, verdict }) => verdict.className === className).length,
            accepted.length,
          ),
    classes: figures.map(({ label, precision, recall, f1 }) => {
      const own = known.filter((_, index) => labels[index] === label);
      return {
        className: classes[label]!,
        objects: own.length,
        precision,
        recall,
        f1,
        flagged: flaggedOf(own),
      };
    }),
  };
}

function unknownFigures(
  known: readonly LabelledVerdict[],
  unknown: readonly LabelledVerdict[],
  role: Exclude<Role, "known">,
  className: string | null,
): UnknownFigures {
  const scoresOf = (lines: readonly LabelledVerdict[]) => lines.map(({ verdict }) => verdict.score);
  const [knownScores, scores] = [scoresOf(known), scoresOf(unknown)];
  const isRight = known.map((line) => line.verdict.className === line.className);
  return {
    ...{ role, className, objects: unknown.length },
    auroc: auroc(knownScores, scores),
    auprIn: auprIn(knownScores, scores),
    auprOut: auprOut(knownScores, scores),
    fpr95OodPositive: fpr95OodPositive(knownScores, scores),
    fpr95IdPositive: fpr95IdPositive(knownScores, scores),
    oscr: oscr(knownScores, isRight, scores),
    flagged: flaggedOf(unknown),
  };
}

function confusionOf(known: readonly LabelledVerdict[], classes: readonly string[]): number[][] {
  const counts = classes.map(() => Array<number>(classes.length + 1).fill(0));
  for (const { className, verdict } of known) {
    const column = verdict.isUnknown ? classes.length : classes.indexOf(verdict.className);
    counts[classes.indexOf(className)]![column]!++;
  }
  return counts;
}

function flaggedOf(lines: readonly LabelledVerdict[]): Share {
  return shareOf(lines.filter(({ verdict }) => verdict.isUnknown).length, lines.length);
}

/**
 * A share with its 95 % interval (Wilson 1927): good near 0 and 1 and for few objects.
 * @param of above 0
 */
export function shareOf(count: number, of: number): Share {
  const z = 1.959963984540054; // the normal distribution's 97.5 % point
  const share = count / of;
  const middle = (share + z ** 2 / (2 * of)) / (1 + z ** 2 / of);
  const half = (z / (1 + z ** 2 / of)) * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2));
  return { count, of, share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
