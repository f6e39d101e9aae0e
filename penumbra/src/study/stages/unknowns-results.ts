import {
  fuseViewScores,
  mean,
  type PartScores,
  type ScoredPart,
  scoredParts,
  scoresOf,
  type UnitScores,
  type UnknownRole,
  type ViewRule,
} from "../../results/index.ts";
import {
  auprIn,
  auprOut,
  auroc,
  ccrAtFpr,
  fpr95IdPositive,
  fpr95OodPositive,
  oscr,
} from "../../unknowns/index.ts";

type Parts = Readonly<Record<ScoredPart, PartScores>>;
type Line = UnitScores["unknowns"][number];
type Figures = Pick<Line, (typeof FIGURES)[number]>;
type SyntheticLine = UnitScores["synthetic"][number];

const FIGURES = [
  "auroc",
  "auprIn",
  "auprOut",
  "fpr95OodPositive",
  "fpr95IdPositive",
  "oscr",
  "ccrAtFpr10",
  "ccrAtFpr1",
] as const;

/** Known images that unknown ones are held against: their scores, and whether each is named right. */
interface KnownScores {
  readonly scores: readonly number[];
  readonly isRight: readonly boolean[];
}

/** What is held against what: known validation items against what choices are made by, test items against unknowns. */
const SETS = [
  { part: "validation", role: "near", known: "validation", unknown: "nearValidation" },
  { part: "standIns", role: "near", known: "validation", unknown: "standIns" },
  { part: "test", role: "near", known: "test", unknown: "nearTest" },
  { part: "test", role: "far", known: "test", unknown: "farTest" },
] as const satisfies readonly {
  part: Line["part"];
  role: UnknownRole;
  known: ScoredPart;
  unknown: ScoredPart;
}[];

/**
 * A detector's figures against each unknown class and their mean, for what chooses and for the test.
 *
 * @param isRight of a known part, whether each item is named right
 * @param views how an item of the parts is made of views
 */
export function unknownsResults(
  parts: Parts,
  detector: string,
  isRight: (part: PartScores) => readonly boolean[],
  views: Line["views"],
): Line[] {
  return SETS.flatMap(({ part, role, ...names }) => {
    const [knownPart, unknownPart] = [parts[names.known], parts[names.unknown]];
    if (knownPart.ids.length === 0 || unknownPart.ids.length === 0) return [];
    const known = { scores: scoresOf(knownPart, detector), isRight: isRight(knownPart) };
    const line = (unknownClass: string | null, figures: Figures): Line => ({
      ...{ detector, views, part, role, unknownClass },
      ...figures,
    });
    const perClass = [...scoresByClass(unknownPart, detector)].map(([unknownClass, scores]) =>
      line(unknownClass, figuresOf(known, scores)),
    );
    return [line(null, meanFigures(perClass)), ...perClass];
  });
}

/** A detector's figures against the images of each recipe that no arm learns from. */
export function syntheticResults(
  { test, synthetic }: Parts,
  detector: string,
  isRight: (part: PartScores) => readonly boolean[],
  views: Line["views"],
): SyntheticLine[] {
  if (test.ids.length === 0) return [];
  const known = { scores: scoresOf(test, detector), isRight: isRight(test) };
  return [...scoresByClass(synthetic, detector)].map(([recipe, scores]) => ({
    ...{ kind: "synthetic", detector, views, recipe },
    ...figuresOf(known, scores),
  }));
}

/** As {@link unknownsResults} of objects whose views were scored one by one: only the means over classes. */
export function fusedResults(
  objects: Parts,
  photos: Parts,
  detector: string,
  isRight: (part: PartScores) => readonly boolean[],
  rule: ViewRule,
): Line[] {
  const fused = scoredParts.map((name): [ScoredPart, PartScores] => {
    const scores = fuseViewScores(scoresOf(photos[name], detector), photos[name].objects, rule);
    return [name, { ...objects[name], scores: { [detector]: scores } }];
  });
  const parts = Object.fromEntries(fused) as Record<ScoredPart, PartScores>;
  return unknownsResults(parts, detector, isRight, rule).filter(({ unknownClass }) => unknownClass === null);
}

function scoresByClass(part: PartScores, detector: string): ReadonlyMap<string, number[]> {
  const scores = scoresOf(part, detector);
  const byClass = new Map<string, number[]>();
  for (const [index, name] of part.classNames.entries()) {
    const score = scores[index] as number; // the lists are parallel
    const own = byClass.get(name);
    if (own) own.push(score);
    else byClass.set(name, [score]);
  }
  return byClass;
}

function figuresOf({ scores, isRight }: KnownScores, unknown: readonly number[]): Figures {
  return {
    auroc: auroc(scores, unknown),
    auprIn: auprIn(scores, unknown),
    auprOut: auprOut(scores, unknown),
    fpr95OodPositive: fpr95OodPositive(scores, unknown),
    fpr95IdPositive: fpr95IdPositive(scores, unknown),
    oscr: oscr(scores, isRight, unknown),
    ccrAtFpr10: ccrAtFpr(scores, isRight, unknown, 0.1),
    ccrAtFpr1: ccrAtFpr(scores, isRight, unknown, 0.01),
  };
}

/** The unweighted mean over unknown classes (the OpenOOD protocol). */
function meanFigures(lines: readonly Figures[]): Figures {
  return Object.fromEntries(FIGURES.map((name) => [name, mean(lines.map((line) => line[name]))])) as Figures;
}
