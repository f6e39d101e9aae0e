import type { ArmName } from "../arms/index.ts";
import type { StudyConfig } from "./config.ts";

/** How much a study does: which arms, how many seeds, how long trainings; everything else stays as it is configured. */
export interface Preset {
  readonly title: string;
  readonly description: string;
  /** Settings by their dotted names. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const firstSeeds = (count: number) => Array.from({ length: count }, (_, seed) => seed);

/** The question itself: do images help as negatives, and more than those that need no generator? */
const QUESTION = [
  "cross-entropy",
  "supcon",
  "supcon+ce",
  "supcon+ce+collage",
  "supcon+ce+near-ood",
] as const satisfies readonly ArmName[];

/** With what tells an effect from a shortcut, and the same images in other places. */
const CONTROLS = [
  ...QUESTION,
  "supcon+faithful",
  "supcon+near-ood",
  "supcon+both",
  "supcon+collage",
  "supcon+ce+faithful",
  "supcon+ce+both",
  "supcon+ce+sifted",
  "supcon+ce+sifted-both",
  "supcon+ce+faithful-negatives",
  "supcon+ce+round-trip+near-ood",
  "cross-entropy+background",
  "cross-entropy+exposure",
  "cross-entropy+collage-background",
] as const satisfies readonly ArmName[];

/** All uses of the images, by every objective that has a place for them. */
const ALL = [
  ...CONTROLS,
  "supcon+sifted",
  "supcon+ce+boundary",
  "supcon+ce+sifted-boundary",
  "supcon+ce+vae",
  "supcon+augmented",
  "supcon+ce+augmented",
  "supcon+round-trip",
  "supcon+round-trip+near-ood",
  "supcon+faithful-negatives",
  "supcon+background",
  "supcon+ce+round-trip",
  "supcon+ce+background",
  "supcon+ce+exposure",
  "cross-entropy+faithful",
  "cross-entropy+energy",
  "cross-entropy+collage-exposure",
  "cross-entropy+sifted-background",
] as const satisfies readonly ArmName[];

export const PRESETS = {
  quick: {
    title: "quick",
    description: "Five arms, two seeds, short trainings: whether it runs, and a first look",
    settings: { arms: QUESTION, seeds: firstSeeds(2), "words.steps": 100, "encoder.steps": 150 },
  },
  thesis: {
    title: "thesis",
    description: "The question with its controls, five seeds",
    settings: { arms: CONTROLS, seeds: firstSeeds(5) },
  },
  full: {
    title: "full",
    description: "Every use of the images with every objective, ten seeds",
    settings: { arms: ALL, seeds: firstSeeds(10) },
  },
} as const satisfies Readonly<Record<string, Preset>>;

export type PresetName = keyof typeof PRESETS;
export const presetNames = Object.keys(PRESETS) as [PresetName, ...PresetName[]];

/** Settings with those of dotted names put in their places, to be read by `parseSettings`. */
export function withSettings(config: StudyConfig, settings: Readonly<Record<string, unknown>>): object {
  return Object.entries(settings).reduce<object>(
    (values, [name, value]) => put(values, name.split("."), value),
    config,
  );
}

function put(values: object, [key = "", ...rest]: readonly string[], value: unknown): object {
  const inner = (values as Record<string, unknown>)[key];
  return {
    ...values,
    [key]: rest.length === 0 ? value : put((inner as object | undefined) ?? {}, rest, value),
  };
}
