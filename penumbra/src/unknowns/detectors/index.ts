// Detectors of unknown images: one file each, and the table of them.
import { UnknownsError } from "../errors.ts";
import type { Detector } from "./detector.ts";
import { energy } from "./energy.ts";
import { knn } from "./knn.ts";
import { mahalanobis } from "./mahalanobis.ts";
import { msp } from "./msp.ts";
import { temperature } from "./temperature.ts";

/**
 * All detectors by name. Scores are HIGHER for images that are more surely known.
 *
 * @example
 * const fitted = detectors.knn.fit({ features: trainFeatures }, { k: 5 });
 * const scores = fitted.score({ features: testFeatures });
 */
export const detectors = { msp, temperature, energy, knn, mahalanobis } satisfies Record<string, Detector>;

export type DetectorName = keyof typeof detectors;

/** Their names, in the order of the table. */
export const detectorNames = Object.keys(detectors) as [DetectorName, ...DetectorName[]];

/** Detectors by name: the room's own, or with a caller's. */
export type DetectorTable = Readonly<Record<string, Detector>>;

/** @throws UnknownsError when the table has no detector of this name */
export function detectorOf(name: string, table: DetectorTable = detectors): Detector {
  const detector = table[name];
  if (detector) return detector;
  throw new UnknownsError(`There is no detector "${name}". Choose ${Object.keys(table).join(" or ")}.`);
}

export { type ChoiceSamples, fitChosen } from "./choose.ts";
export type { Detector, FittedDetector, Need, Tuning } from "./detector.ts";
export type { EnergyOptions } from "./energy.ts";
export type { KnnOptions } from "./knn.ts";
export { ledoitWolfShrinkage, type MahalanobisOptions } from "./mahalanobis.ts";
export type { Samples } from "./samples.ts";
export { fitTemperature, type ShortFit, type TemperatureOptions } from "./temperature.ts";
