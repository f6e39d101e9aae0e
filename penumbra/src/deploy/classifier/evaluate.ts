import { scope, type Tensor } from "@penumbra/torch";
import { groupBy, type Manifest, type Photo, type Role, readPhoto } from "../../data/index.ts";
import type { Evaluation, KnownFigures, RatePoint, Share, UnknownFigures } from "../../results/index.ts";
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
  riskCoverage,
  rocCurve,
  topAccuracy,
} from "../../unknowns/index.ts";
import type { Classifier } from "./classifier.ts";
import { DeployError } from "./errors.ts";
import { type LookOptions, lookAt } from "./look-at.ts";
import type { Verdict } from "./verdict.ts";

/** A verdict beside the truth. */
export interface LabelledVerdict {
  readonly role: Role;
  readonly className: string;
  readonly verdict: Verdict;
}

/** A verdict on a photo of a manifest. */
export interface JudgedPhoto extends LabelledVerdict {
  readonly photo: Photo;
}

/** What came of a set of labelled photos. */
export interface Evaluated {
  readonly photo: Evaluation;
  /** All photos of an object together; null where no object has several. */
  readonly object: Evaluation | null;
  /** Those that could be read. */
  readonly photos: readonly JudgedPhoto[];
  /** Photos that could not be read, and why. */
  readonly unreadable: readonly string[];
}

/**
 * Judges labelled photos and compares: known classes by name, near and far unknowns by whether they are called
 * unknown; each photo by itself, and all photos of an object together. Every photo is decoded and looked at once.
 *
 * @throws DeployError for a known class that the classifier does not know, and where no known photo can be read
 */
export async function evaluateClassifier(
  classifier: Classifier,
  manifest: Manifest,
  options: LookOptions = {},
): Promise<Evaluated> {
  requireClasses(classifier, manifest);
  const { root, photos } = manifest;
  // Photos of one object one after the other, as they are averaged.
  const ordered = [...groupBy(photos, ({ object, role }) => `${role}/${object}`).values()].flat();
  const { stages, places, unreadable } = await lookAt(
    classifier,
    ordered.map(
      ({ id }) =>
        () =>
          readPhoto(root, id),
    ),
    options,
  );
  const judgedPhotos = places.map((place) => ordered[place]!);
  const groups = [...groupBy(judgedPhotos, ({ object, role }) => `${role}/${object}`).values()];
  const verdictsOf = (views: readonly number[]) => judgeInParts(classifier, stages, views);
  const lines = (subjects: readonly Photo[], verdicts: readonly Verdict[]) =>
    subjects.map((photo, i) => ({
      ...{ photo, role: photo.role, className: photo.className, verdict: verdicts[i]! },
    }));
  const single = lines(judgedPhotos, verdictsOf(judgedPhotos.map(() => 1)));
  const hasViews = groups.length < judgedPhotos.length;
  const whole = hasViews
    ? lines(
        groups.map(([first]) => first!),
        verdictsOf(groups.map(({ length }) => length)),
      )
    : null;
  for (const stage of stages) stage.dispose();
  return {
    photo: figuresOf(single, classifier.classes),
    object: whole && figuresOf(whole, classifier.classes),
    photos: single,
    unreadable: unreadable.map(({ photo, reason }) => `${ordered[photo]!.id}: ${reason}`),
  };
}

/** Rows that are scored together: detectors that compare with every training photo need memory for each. */
const ROWS = 1024;

function judgeInParts(
  classifier: Classifier,
  stages: readonly Tensor[],
  views: readonly number[],
): Verdict[] {
  const verdicts: Verdict[] = [];
  for (let object = 0, start = 0; object < views.length; ) {
    const some: number[] = [];
    let rows = 0;
    while (object < views.length && (rows === 0 || rows + views[object]! <= ROWS)) {
      some.push(views[object]!);
      rows += views[object++]!;
    }
    const from = start;
    verdicts.push(
      ...scope(() =>
        classifier.judgeRows(
          stages.map((stage) => stage.narrow(0, from, rows)),
          some,
        ),
      ),
    );
    start += rows;
  }
  return verdicts;
}

function requireClasses({ classes, name }: Classifier, manifest: Manifest): void {
  const strange = manifest.classes.filter((className) => !classes.includes(className));
  if (strange.length === 0) return;
  throw new DeployError(
    `The classifier ${name} does not know ${strange.map((className) => `"${className}"`).join(", ")}. Put what is unknown below a folder called near or far, or name it under roles.near or roles.far in a configuration. It knows ${classes.join(", ")}.`,
  );
}

/**
 * The figures of labelled verdicts.
 * @throws DeployError without a known object
 */
export function figuresOf(lines: readonly LabelledVerdict[], classes: readonly string[]): Evaluation {
  const known = lines.filter(({ role }) => role === "known");
  if (known.length === 0)
    throw new DeployError(
      "No photo of a known class is left that could be read. Add photos of the classes it knows.",
    );
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
    roc: { near: rocOf(known, lines, "near"), far: rocOf(known, lines, "far") },
    risk: thinned(
      riskCoverage(
        known.map(({ verdict }) => verdict.confidence),
        known.map(({ className, verdict }) => verdict.className === className),
      )
        .map(({ coverage, risk }) => ({ x: coverage, y: risk }))
        .reverse(),
    ),
  };
}

function rocOf(
  known: readonly LabelledVerdict[],
  lines: readonly LabelledVerdict[],
  role: Exclude<Role, "known">,
): readonly RatePoint[] | null {
  const unknown = lines.filter((line) => line.role === role);
  if (unknown.length === 0) return null;
  const scoresOf = (some: readonly LabelledVerdict[]) => some.map(({ verdict }) => verdict.score);
  const points = rocCurve(scoresOf(known), scoresOf(unknown));
  return thinned(points.map(({ unknownPassed, knownKept }) => ({ x: unknownPassed, y: knownKept })));
}

/** More points than this cannot be told apart on a page. */
const MOST_POINTS = 200;

/** Points at even places of the list; the first and the last are kept. */
function thinned(points: readonly RatePoint[]): RatePoint[] {
  if (points.length <= MOST_POINTS) return [...points];
  const step = (points.length - 1) / (MOST_POINTS - 1);
  return Array.from({ length: MOST_POINTS }, (_, i) => points[Math.round(i * step)]!);
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
