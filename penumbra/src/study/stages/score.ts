import { join } from "node:path";
import { safetensors, type Tensor } from "@penumbra/torch";
import type { Split } from "../../data/index.ts";
import { writeFileAtomic } from "../../files/index.ts";
import {
  mean,
  type PartScores,
  type ScoredPart,
  type ScoreFile,
  scoredParts,
  type Unit,
  type UnitScores,
  type UnknownRole,
} from "../../results/index.ts";
import {
  accuracy,
  argmax,
  auprIn,
  auprOut,
  auroc,
  type DetectorTable,
  detectorOf,
  ece,
  fitChosen,
  fpr95IdPositive,
  fpr95OodPositive,
  macroAccuracy,
  nll,
  type Samples,
  softmax,
} from "../../unknowns/index.ts";
import type { StudyConfig } from "../config/index.ts";
import type { Artifact } from "../store/index.ts";
import { photosHash, type StudyContext } from "./context.ts";
import { featuresFile } from "./features.ts";
import { loadProbe } from "./probe.ts";
import { objectSamples, type PartSamples, photoSamples, type UnitSamples } from "./samples.ts";
import { splitNames } from "./split.ts";

export const scoresFile = "scores.json";

/** Scores of an arm at a seed, of single photos and, where objects have several views, of objects. */
export function scoreStage(
  context: StudyContext,
  split: Split,
  features: Artifact,
  probe: Artifact,
  arm: string,
  seed: number,
): Promise<Artifact> {
  const { config, tables, store } = context;
  const { detectors: names } = config;
  const tuned = Object.entries(config.tuning).filter(([name]) => names.includes(name));
  const settings = { detectors: names, tuning: Object.fromEntries(tuned) as StudyConfig["tuning"] };
  const versions = versionsOf(names, tables.detectors);
  return store.run({
    name: "score",
    version: 4,
    label: `${arm}, seed ${seed}`,
    inputs: {
      features,
      probe,
      ...Object.fromEntries(splitNames.map((name) => [name, photosHash(split[name])])),
    },
    config: { ...settings, ...(Object.keys(versions).length > 0 && { versions }) },
    run: async ({ folder }) => {
      const { tensors } = safetensors.read(join(features.folder, featuresFile));
      const classifier = loadProbe(probe);
      const photo = photoSamples(split, tensors, classifier, context.classes);
      const scoresOf = (samples: UnitSamples) =>
        scoreUnit(samples, settings.detectors, settings.tuning, tables.detectors);
      const { fitted, ...photoScores } = scoresOf(photo);
      const units: Partial<Record<Unit, UnitScores>> = { photo: photoScores };
      if (photo.test.ids.length > new Set(photo.test.objects).size) {
        const { fitted: _, ...objectScores } = scoresOf(objectSamples(photo, classifier));
        units.object = objectScores;
      }
      await writeFileAtomic(join(folder, scoresFile), JSON.stringify({ units, fitted } satisfies ScoreFile));
      return { ...fitted };
    },
  });
}

/** The versions of those detectors that have one: part of the identity of their scores. */
function versionsOf(names: readonly string[], table: DetectorTable): Record<string, number> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const { version } = detectorOf(name, table);
      return version === undefined ? [] : [[name, version] as const];
    }),
  );
}

/** Scores every test photo with every detector and computes the metrics; choices are made on validation only. */
export function scoreUnit(
  samples: UnitSamples,
  names: readonly string[],
  tuning: StudyConfig["tuning"],
  table: DetectorTable,
): UnitScores & { readonly fitted: Readonly<Record<string, number>> } {
  const fitted: Record<string, number> = {};
  const scoresByPart = new Map<ScoredPart, Record<string, number[]>>(scoredParts.map((part) => [part, {}]));
  for (const name of names) {
    const detector = fitChosen(
      detectorOf(name, table),
      {
        train: samplesOf(samples.train),
        validation: samplesOf(samples.validation),
        unknown: samples.nearValidation.ids.length > 0 ? samplesOf(samples.nearValidation) : null,
      },
      tuning[name],
    );
    for (const [key, value] of Object.entries(detector.fitted)) fitted[`${name}.${key}`] = value;
    for (const part of scoredParts) {
      const scores = samples[part].ids.length === 0 ? [] : [...detector.score(samplesOf(samples[part]))];
      const byName = scoresByPart.get(part);
      if (byName) byName[name] = scores;
    }
  }
  const parts = Object.fromEntries(
    scoredParts.map((part) => [part, describePart(samples[part], scoresByPart.get(part) ?? {})]),
  ) as Record<ScoredPart, PartScores>;
  const logits = rowsOf(samples.test.logits);
  return {
    parts,
    classification: {
      accuracy: accuracy(logits, samples.test.labels),
      balancedAccuracy: macroAccuracy(logits, samples.test.labels),
      nll: nll(logits, samples.test.labels),
      ece: ece(logits, samples.test.labels),
      items: logits.length,
    },
    unknowns: names.flatMap((detector) => unknownsResults(parts, detector)),
    fitted,
  };
}

function samplesOf({ features, logits, labels }: PartSamples): Samples {
  return { ...(features && { features }), ...(logits && { logits }), labels };
}

function rowsOf(matrix: Tensor | undefined): number[][] {
  return matrix ? (matrix.tolist() as number[][]) : [];
}

function describePart(part: PartSamples, scores: Record<string, number[]>): PartScores {
  const probabilities = rowsOf(part.logits).map(softmax);
  const answers = probabilities.map(argmax);
  return {
    ids: part.ids,
    objects: part.objects,
    classNames: part.classNames,
    answers,
    probabilities: probabilities.map((row, index) => row[answers[index] ?? 0] ?? 0),
    scores,
  };
}

/** Metrics against each unknown class and their mean, for validation (choices) and test (results). */
function unknownsResults(
  parts: Readonly<Record<ScoredPart, PartScores>>,
  detector: string,
): UnitScores["unknowns"] {
  const sets = [
    { part: "validation", role: "near", known: parts.validation, unknown: parts.nearValidation },
    { part: "test", role: "near", known: parts.test, unknown: parts.nearTest },
    { part: "test", role: "far", known: parts.test, unknown: parts.farTest },
  ] as const satisfies { part: string; role: UnknownRole; known: PartScores; unknown: PartScores }[];
  return sets.flatMap(({ part, role, known, unknown }) => {
    const knownScores = known.scores[detector] ?? [];
    const names = [...new Set(unknown.classNames)];
    if (names.length === 0 || knownScores.length === 0) return [];
    const perClass = names.map((unknownClass) => {
      const scores = (unknown.scores[detector] ?? []).filter(
        (_, index) => unknown.classNames[index] === unknownClass,
      );
      return {
        detector,
        part,
        role,
        unknownClass,
        auroc: auroc(knownScores, scores),
        auprIn: auprIn(knownScores, scores),
        auprOut: auprOut(knownScores, scores),
        fpr95OodPositive: fpr95OodPositive(knownScores, scores),
        fpr95IdPositive: fpr95IdPositive(knownScores, scores),
      };
    });
    const average = (key: "auroc" | "auprIn" | "auprOut" | "fpr95OodPositive" | "fpr95IdPositive") =>
      mean(perClass.map((line) => line[key]));
    return [
      {
        detector,
        part,
        role,
        unknownClass: null,
        auroc: average("auroc"),
        auprIn: average("auprIn"),
        auprOut: average("auprOut"),
        fpr95OodPositive: average("fpr95OodPositive"),
        fpr95IdPositive: average("fpr95IdPositive"),
      },
      ...perClass,
    ];
  });
}
