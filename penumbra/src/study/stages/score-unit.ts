import {
  isCorrect,
  type PartScores,
  type ScoredPart,
  scoredParts,
  type UnitScores,
  VIEW_RULES,
  type ViewRule,
} from "../../results/index.ts";
import {
  accuracy,
  adaptiveEce,
  argmax,
  aurc,
  brier,
  type Choice,
  type ChoiceSamples,
  classFigures,
  classwiseEce,
  type DetectorTable,
  detectorOf,
  ece,
  fitChosen,
  macroAccuracy,
  macroF1,
  nll,
  softmax,
  topAccuracy,
} from "../../unknowns/index.ts";
import type { StudyConfig } from "../config/index.ts";
import { type PartSamples, samplesByClass, samplesOf, type UnitSamples } from "./samples.ts";
import { fusedResults, unknownsResults } from "./unknowns-results.ts";

/** Which detectors score, and what their candidates are. */
export interface ScoreSettings {
  readonly detectors: readonly string[];
  readonly tuning: StudyConfig["tuning"];
  readonly table: DetectorTable;
  /** Known classes: label = index. */
  readonly classes: readonly string[];
}

export interface ScoredUnit {
  readonly scores: UnitScores;
  /** What was chosen and fitted, as `detector.setting`. */
  readonly fitted: Readonly<Record<string, number>>;
}

/** Scores every item with every detector and computes the metrics; choices are made on validation only. */
export function scorePhotos(samples: UnitSamples, settings: ScoreSettings): ScoredUnit {
  const { parts, trials, fitted } = scoreParts(samples, settings.detectors, settings);
  const isRight = (part: PartScores) => isCorrect(part, settings.classes);
  return {
    scores: {
      parts,
      classification: classify(samples.test, settings.classes),
      unknowns: settings.detectors.flatMap((name) => unknownsResults(parts, name, isRight, "single")),
      trials,
    },
    fitted,
  };
}

/**
 * The same of objects, whose views become one in three ways: features averaged before they are scored, where the
 * detector reads features, and the mean and the least of the views' scores.
 */
export function scoreObjects(samples: UnitSamples, photos: UnitScores, settings: ScoreSettings): UnitScores {
  const { detectors, table, classes } = settings;
  const onFeatures = detectors.filter((name) => !detectorOf(name, table).needs.includes("pixels"));
  const { parts, trials } = scoreParts(samples, onFeatures, settings);
  const isRight = (part: PartScores) => isCorrect(part, classes);
  const rules = Object.keys(VIEW_RULES) as ViewRule[];
  return {
    parts,
    classification: classify(samples.test, classes),
    unknowns: [
      ...onFeatures.flatMap((name) => unknownsResults(parts, name, isRight, "features")),
      ...detectors.flatMap((name) =>
        rules.flatMap((rule) => fusedResults(parts, photos.parts, name, isRight, rule)),
      ),
    ],
    trials,
  };
}

/** Fits and chooses each detector, and scores every part with it. */
function scoreParts(
  samples: UnitSamples,
  names: readonly string[],
  { tuning, table }: ScoreSettings,
): Pick<UnitScores, "parts" | "trials"> & Pick<ScoredUnit, "fitted"> {
  const { choice, chosenBy } = choiceOf(samples);
  const chosen = names.map((name) => ({ name, ...fitChosen(detectorOf(name, table), choice, tuning[name]) }));
  const scored = scoredParts.map((part): [ScoredPart, PartScores] => {
    const scores = chosen.map(({ name, detector }): [string, number[]] => [
      name,
      samples[part].evidence ? [...detector.score(samplesOf(samples[part]))] : [],
    ]);
    return [part, describePart(samples[part], Object.fromEntries(scores))];
  });
  return {
    parts: Object.fromEntries(scored) as Record<ScoredPart, PartScores>,
    trials: chosen.flatMap(({ name, trials }) =>
      trials.map((trial) => ({ detector: name, chosenBy, ...trial })),
    ),
    fitted: Object.fromEntries(
      chosen.flatMap(({ name, detector }: Choice & { name: string }) =>
        Object.entries(detector.fitted).map(([key, value]) => [`${name}.${key}`, value]),
      ),
    ),
  };
}

/** What choices are made by: validation unknowns, else what stands in for them, each kind with the same say. */
function choiceOf(samples: UnitSamples): {
  readonly choice: ChoiceSamples;
  readonly chosenBy: UnitScores["trials"][number]["chosenBy"];
} {
  const known = { train: samplesOf(samples.train), validation: samplesOf(samples.validation) };
  if (samples.nearValidation.evidence) {
    return {
      choice: { ...known, unknown: [samplesOf(samples.nearValidation)] },
      chosenBy: "validation",
    };
  }
  const unknown = samplesByClass(samples.standIns);
  return { choice: { ...known, unknown }, chosenBy: unknown.length > 0 ? "standIns" : null };
}

function rowsOf({ evidence }: PartSamples): number[][] {
  return evidence ? (evidence.logits.tolist() as number[][]) : [];
}

function describePart(part: PartSamples, scores: Record<string, number[]>): PartScores {
  const probabilities = rowsOf(part).map(softmax);
  const answers = probabilities.map(argmax);
  return {
    ids: part.ids,
    objects: part.objects,
    classNames: part.classNames,
    answers,
    probabilities: probabilities.map((row) => row[argmax(row)] as number),
    scores,
  };
}

/** How well the classifier names the items of the test. */
function classify(test: PartSamples, classes: readonly string[]): UnitScores["classification"] {
  const [logits, { labels }] = [rowsOf(test), test];
  const probabilities = logits.map(softmax);
  const confidence = probabilities.map((row) => row[argmax(row)] as number);
  const figures = classFigures(logits, labels);
  return {
    accuracy: accuracy(logits, labels),
    balancedAccuracy: macroAccuracy(logits, labels),
    top5: topAccuracy(logits, labels, 5),
    macroF1: macroF1(figures),
    nll: nll(logits, labels),
    brier: brier(logits, labels),
    ece: ece(logits, labels),
    classwiseEce: classwiseEce(logits, labels),
    adaptiveEce: adaptiveEce(logits, labels),
    aurc: aurc(
      confidence,
      probabilities.map((row, index) => argmax(row) === labels[index]),
    ),
    items: logits.length,
    classes: figures.map(({ label, images, precision, recall, f1 }) => ({
      className: classes[label] as string,
      ...{ items: images, precision, recall, f1 },
    })),
  };
}
