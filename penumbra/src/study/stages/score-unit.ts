import { scope, type Tensor } from "@penumbra/torch";
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
  type Detector,
  type DetectorTable,
  detectorOf,
  ece,
  type FittedDetector,
  fitChosen,
  macroAccuracy,
  macroF1,
  nll,
  type Samples,
  softmax,
  topAccuracy,
  withSharing,
} from "../../unknowns/index.ts";
import type { StudyConfig } from "../config/index.ts";
import { type PartSamples, partsByClass, samplesOf, type UnitSamples } from "./samples.ts";
import { fusedResults, syntheticResults, unknownsResults } from "./unknowns-results.ts";

/** Which detectors score, and what their candidates are. */
export interface ScoreSettings {
  readonly detectors: readonly string[];
  readonly tuning: StudyConfig["tuning"];
  readonly table: DetectorTable;
  /** Known classes: label = index. */
  readonly classes: readonly string[];
  /** Detectors that were fitted on the training photos: photos and objects share them. Filled here. */
  readonly fits: Map<string, FittedDetector>;
}

export interface ScoredUnit {
  readonly scores: UnitScores;
  /** What was chosen and fitted, as `detector.setting`. */
  readonly fitted: Readonly<Record<string, number>>;
}

/** Scores every item with every detector and computes the metrics; choices are made on validation only. */
export async function scorePhotos(samples: UnitSamples, settings: ScoreSettings): Promise<ScoredUnit> {
  const { parts, trials, fitted } = await scoreParts(samples, settings.detectors, settings);
  const isRight = (part: PartScores) => isCorrect(part, settings.classes);
  return {
    scores: {
      parts,
      classification: classify(samples.test, settings.classes),
      unknowns: settings.detectors.flatMap((name) => unknownsResults(parts, name, isRight, "single")),
      synthetic: settings.detectors.flatMap((name) => syntheticResults(parts, name, isRight, "single")),
      trials,
    },
    fitted,
  };
}

/**
 * The same of objects, whose views become one in three ways: features averaged before they are scored, where the
 * detector reads features, and the mean and the least of the views' scores.
 */
export async function scoreObjects(
  samples: UnitSamples,
  photos: UnitScores,
  settings: ScoreSettings,
): Promise<UnitScores> {
  const { detectors, table, classes } = settings;
  const onFeatures = detectors.filter((name) => !detectorOf(name, table).needs.includes("pixels"));
  const { parts, trials } = await scoreParts(samples, onFeatures, settings);
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
    synthetic: onFeatures.flatMap((name) => syntheticResults(parts, name, isRight, "features")),
    trials,
  };
}

/** Fits and chooses each detector, and scores every part with it; of the pixels there is one part at a time. */
async function scoreParts(
  samples: UnitSamples,
  names: readonly string[],
  settings: ScoreSettings,
): Promise<Pick<UnitScores, "parts" | "trials"> & Pick<ScoredUnit, "fitted">> {
  const chosen = await chooseDetectors(samples, names, settings);
  const looksAtPixels = (part: PartSamples) =>
    chosen.some(
      ({ name, scored }) => !scored.has(part) && detectorOf(name, settings.table).needs.includes("pixels"),
    );
  const parts: Partial<Record<ScoredPart, PartScores>> = {};
  for (const part of scoredParts) {
    const own = samples[part];
    const open = chosen.filter(({ scored }) => own.evidence && !scored.has(own));
    const made = await withSamples([looksAtPixels(own) ? own : withoutPixels(own)], ([seen]) =>
      scoreInBlocks(seen as Samples, own.ids.length, open),
    );
    const scores = chosen.map(({ name, scored }): [string, number[]] => [
      name,
      made.get(name) ?? [...(scored.get(own) ?? [])],
    ]);
    parts[part] = describePart(own, Object.fromEntries(scores));
  }
  return {
    parts: parts as Record<ScoredPart, PartScores>,
    trials: chosen.flatMap(({ name, trials, chosenBy }) =>
      trials.map((trial) => ({ detector: name, chosenBy, ...trial })),
    ),
    fitted: Object.fromEntries(
      chosen.flatMap(({ name, detector }) =>
        Object.entries(detector.fitted).map(([key, value]) => [`${name}.${key}`, value]),
      ),
    ),
  };
}

/** Items that are scored together: detectors hold several matrices of float64 that have a row for each. */
const BLOCK = 8192;

/** Each detector's scores of so many items by its name, in blocks where they are many: it changes them by rounding alone. */
function scoreInBlocks(seen: Samples, items: number, chosen: readonly Chosen[]): Map<string, number[]> {
  if (items <= BLOCK) return new Map(chosen.map(({ name, detector }) => [name, [...detector.score(seen)]]));
  const scores = new Map(chosen.map(({ name }): [string, number[]] => [name, []]));
  for (let first = 0; first < items; first += BLOCK) {
    scope(() =>
      withSharing([blockOf(seen, first, Math.min(BLOCK, items - first))], ([block]) => {
        for (const { name, detector } of chosen) scores.get(name)?.push(...detector.score(block as Samples));
      }),
    );
  }
  return scores;
}

/** Some of the items, as views of the same tensors. */
function blockOf(samples: Samples, first: number, count: number): Samples {
  const { features, logits, stages, pixels } = samples;
  const rows = (tensor: Tensor) => tensor.narrow(0, first, count);
  return {
    ...samples,
    ...(features && { features: rows(features) }),
    ...(logits && { logits: rows(logits) }),
    ...(stages && { stages: stages.map(rows) }),
    ...(pixels && { pixels: rows(pixels) }),
  };
}

type Chosen = Choice & {
  readonly name: string;
  readonly chosenBy: UnitScores["trials"][number]["chosenBy"];
  /** What it scored where it was chosen. */
  readonly scored: ReadonlyMap<PartSamples, Float64Array>;
};

/** Fits every detector, and chooses its settings, by validation unknowns or what stands in for them. */
function chooseDetectors(
  samples: UnitSamples,
  names: readonly string[],
  { tuning, table, fits }: ScoreSettings,
): Promise<Chosen[]> {
  const looking = names
    .map((name) => detectorOf(name, table))
    .filter(({ needs }) => needs.includes("pixels"));
  const parts = [
    looking.some(({ fitsOn }) => fitsOn === "train") ? samples.train : withoutPixels(samples.train),
    ...[samples.validation, samples.nearValidation].map((part) =>
      looking.length > 0 ? part : withoutPixels(part),
    ),
  ];
  const { standIns, chosenBy } = choosersOf(samples);
  return withSamples([...parts, ...standIns], ([train, validation, nearValidation, ...sets]) => {
    const unknown = chosenBy === "validation" ? [nearValidation as Samples] : sets;
    const choice: ChoiceSamples = { train: train as Samples, validation: validation as Samples, unknown };
    const partOf = new Map([
      [validation, samples.validation],
      [nearValidation, samples.nearValidation],
    ]);
    return names.map((name) => {
      const detector = detectorOf(name, table);
      const isShared = detector.fitsOn === "train"; // both units learn from the same photos
      const scoredBy = new Map<FittedDetector, Map<PartSamples, Float64Array>>();
      const fit: Detector["fit"] = (known, options) => {
        const key = `${name} ${JSON.stringify(options)}`;
        const fitted = (isShared && fits.get(key)) || detector.fit(known, options);
        if (isShared) fits.set(key, fitted);
        const scored = new Map<PartSamples, Float64Array>();
        const remembering: FittedDetector = {
          ...fitted,
          score(seen) {
            const scores = fitted.score(seen);
            const part = partOf.get(seen);
            if (part) scored.set(part, scores);
            return scores;
          },
        };
        scoredBy.set(remembering, scored);
        return remembering;
      };
      const chosen = fitChosen(detector, choice, tuning[name], fit);
      return { name, chosenBy, ...chosen, scored: scoredBy.get(chosen.detector) ?? new Map() };
    });
  });
}

/**
 * Hands over what detectors see of some parts. Decoded pixels, and what detectors share of a part, are there only while
 * `use` runs.
 */
async function withSamples<T>(
  parts: readonly PartSamples[],
  use: (seen: readonly Samples[]) => T,
): Promise<T> {
  const decoded: Tensor[] = [];
  try {
    const samples: Samples[] = [];
    for (const part of parts) {
      const pixels = part.evidence && part.pixels ? await part.pixels() : null;
      if (pixels) decoded.push(pixels);
      samples.push({ ...samplesOf(part), ...(pixels && { pixels }) });
    }
    return withSharing(samples, use);
  } finally {
    for (const pixels of decoded) pixels.dispose();
  }
}

function withoutPixels({ pixels: _, ...part }: PartSamples): PartSamples {
  return part;
}

/** What choices are made by: validation unknowns, else what stands in for them, each kind with the same say. */
function choosersOf({ nearValidation, standIns }: UnitSamples): {
  readonly standIns: readonly PartSamples[];
  readonly chosenBy: UnitScores["trials"][number]["chosenBy"];
} {
  if (nearValidation.evidence) return { standIns: [], chosenBy: "validation" };
  const kinds = partsByClass(standIns);
  return { standIns: kinds, chosenBy: kinds.length > 0 ? "standIns" : null };
}

/** The logits of a part, row by row: of many photos and classes there is not room for many copies. */
function* rowsOf({ evidence, ids }: PartSamples): Generator<number[]> {
  if (!evidence) return;
  for (let first = 0; first < ids.length; first += BLOCK) {
    const count = Math.min(BLOCK, ids.length - first);
    yield* scope(() => evidence.logits.narrow(0, first, count).tolist() as number[][]);
  }
}

function describePart(part: PartSamples, scores: Record<string, number[]>): PartScores {
  const answers: number[] = [];
  const probabilities: number[] = [];
  for (const logits of rowsOf(part)) {
    const row = softmax(logits);
    const answer = argmax(row);
    answers.push(answer);
    probabilities.push(row[answer] as number);
  }
  const { ids, objects, classNames } = part;
  return { ids, objects, classNames, answers, probabilities, scores };
}

/** How well the classifier names the items of the test. */
function classify(test: PartSamples, classes: readonly string[]): UnitScores["classification"] {
  const [logits, { labels }] = [[...rowsOf(test)], test];
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
