import type { StudyConfig } from "./config.ts";

/** The numbers of objects of a class that a study learns from, the fewest first. */
export function shotsOf({ split }: { readonly split: Pick<StudyConfig["split"], "shots"> }): number[] {
  const { shots } = split;
  return typeof shots === "number" ? [shots] : [...shots].sort((a, b) => a - b);
}

/** The most objects of a class that a study learns from: with them the test is drawn, for all numbers of shots. */
export function largestShots(config: { readonly split: Pick<StudyConfig["split"], "shots"> }): number {
  return Math.max(...shotsOf(config));
}

/** The number of shots that the answer is about. */
export function answerShots(config: Pick<StudyConfig, "split" | "statistics">): number {
  const { shots } = config.statistics;
  return shots === "largest" ? largestShots(config) : shots;
}
