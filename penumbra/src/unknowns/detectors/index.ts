// Detectors of unknown images: one file each, and the table of them.
import { UnknownsError } from "../errors.ts";
import { abnormality } from "./abnormality.ts";
import { ashB, ashP, ashS } from "./ash.ts";
import { cosinePrototypes } from "./cosine-prototypes.ts";
import type { Detector } from "./detector.ts";
import { dice } from "./dice.ts";
import { energy } from "./energy.ts";
import { entropy } from "./entropy.ts";
import { fdbd } from "./fdbd.ts";
import { gen } from "./gen.ts";
import { gradnorm } from "./gradnorm.ts";
import { klMatching } from "./kl-matching.ts";
import { knn } from "./knn.ts";
import { mahalanobis } from "./mahalanobis.ts";
import { mahalanobisPp } from "./mahalanobis-pp.ts";
import { maxLogit } from "./max-logit.ts";
import { msp } from "./msp.ts";
import { multiLayerKnn } from "./multi-layer-knn.ts";
import { multiLayerMahalanobis } from "./multi-layer-mahalanobis.ts";
import { nearness } from "./nearness.ts";
import { nnguide } from "./nnguide.ts";
import { odin } from "./odin.ts";
import { react } from "./react.ts";
import { reconstruction } from "./reconstruction.ts";
import { relativeMahalanobis } from "./relative-mahalanobis.ts";
import { scale } from "./scale.ts";
import { she } from "./she.ts";
import { temperature } from "./temperature.ts";
import { vim } from "./vim.ts";

/**
 * All detectors by name. Scores are HIGHER for images that are more surely known.
 *
 * @example
 * const fitted = detectors.knn.fit({ features: trainFeatures }, { k: 5 });
 * const scores = fitted.score({ features: testFeatures });
 */
export const detectors = {
  msp,
  temperature,
  energy,
  knn,
  mahalanobis,
  "max-logit": maxLogit,
  entropy,
  gen,
  "kl-matching": klMatching,
  odin,
  "mahalanobis++": mahalanobisPp,
  "relative-mahalanobis": relativeMahalanobis,
  vim,
  react,
  "ash-p": ashP,
  "ash-b": ashB,
  "ash-s": ashS,
  scale,
  dice,
  she,
  gradnorm,
  fdbd,
  nnguide,
  "multi-layer-knn": multiLayerKnn,
  "cosine-prototypes": cosinePrototypes,
  "multi-layer-mahalanobis": multiLayerMahalanobis,
  nearness,
  reconstruction,
  abnormality,
} satisfies Record<string, Detector>;

export type DetectorName = keyof typeof detectors;

/** Their names, in the order of the table. */
export const detectorNames = Object.keys(detectors) as [DetectorName, ...DetectorName[]];

/** Those that a study has where it names none: of each kind the one that others are measured against. */
export const usualDetectors: readonly DetectorName[] = ["msp", "temperature", "energy", "knn", "mahalanobis"];

/** Detectors by name: the room's own, or with a caller's. */
export type DetectorTable = Readonly<Record<string, Detector>>;

/** What a study has where it names no detectors: the usual ones, and those that are a caller's own. */
export function defaultDetectors(table: DetectorTable): string[] {
  const others = detectorNames.filter((name) => !usualDetectors.includes(name));
  return Object.keys(table).filter((name) => !others.includes(name as DetectorName));
}

/** @throws UnknownsError when the table has no detector of this name */
export function detectorOf(name: string, table: DetectorTable = detectors): Detector {
  const detector = table[name];
  if (detector) return detector;
  throw new UnknownsError(`There is no detector "${name}". Choose ${Object.keys(table).join(" or ")}.`);
}

export type { AbnormalityOptions } from "./abnormality.ts";
export type { AshOptions } from "./ash.ts";
export { type Choice, type ChoiceSamples, fitChosen, type Trial } from "./choose.ts";
export {
  type Detector,
  type DetectorDefinition,
  type DetectorState,
  defineDetector,
  FITS_ON,
  type FittedDetector,
  numberOf,
  requireOption,
  tensorOf,
} from "./detector.ts";
export type { DiceOptions } from "./dice.ts";
export type { EnergyOptions } from "./energy.ts";
export type { FdbdOptions } from "./fdbd.ts";
export { readDetector, writeDetector } from "./files.ts";
export { dealObjects } from "./folds.ts";
export { entropyDensity, ledoitWolfShrinkage, type ShrinkageOptions } from "./gaussians.ts";
export type { GenOptions } from "./gen.ts";
export type { KnnOptions } from "./knn.ts";
export {
  fitSpaces,
  type LabelledRows,
  MEASURES,
  type Measure,
  type MeasureName,
  meanDistances,
  measureNames,
  type Space,
} from "./measures.ts";
export type { MultiLayerKnnOptions } from "./multi-layer-knn.ts";
export { countedStages, type MultiLayerMahalanobisOptions } from "./multi-layer-mahalanobis.ts";
export { type NearnessDetectorOptions, nearnessSpaces } from "./nearness.ts";
export type { NnguideOptions } from "./nnguide.ts";
export { type OdinOptions, towardsClass } from "./odin.ts";
export { quantile } from "./quantile.ts";
export type { ReactOptions } from "./react.ts";
export type { ReconstructionOptions } from "./reconstruction.ts";
export type { RelativeMahalanobisOptions } from "./relative-mahalanobis.ts";
export {
  type Classifier,
  type Evidence,
  type Given,
  type Need,
  type Network,
  type Samples,
  withSharing,
} from "./samples.ts";
export type { ScaleOptions } from "./scale.ts";
export { Shared, type Sharing } from "./shared.ts";
export type { StagesOptions } from "./stages.ts";
export { fitTemperature, type ShortFit, type TemperatureOptions } from "./temperature.ts";
export { candidatesFor, everyCombination, type Tuning } from "./tuning.ts";
export type { VimOptions } from "./vim.ts";
