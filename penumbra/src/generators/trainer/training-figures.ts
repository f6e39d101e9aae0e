import { readTrainingRuns } from "./card.ts";
import { isCollapsed } from "./collapse.ts";

/** Names of figures that studies show; generators that measure them call them so. */
export const DIVERGENCE = "Jensen-Shannon divergence in nats";
export const DIVERSITY = "diversity of samples, photos' being 1";

/** What a study tells of the training of a generator. */
export interface TrainingFigures {
  /** Of the last run. */
  readonly steps: number;
  /** How far drawn images are from photos for the discriminator, 0 … ln 2; null where there is none. */
  readonly divergence: number | null;
  /** How different drawn images are from each other, photos being 1; null where it was not measured. */
  readonly diversity: number | null;
  /** Whether they are nearly one image over and over. */
  readonly isCollapsed: boolean;
}

/** @throws GeneratorError for a model that does not say how it was trained */
export async function trainingFigures(folder: string): Promise<TrainingFigures> {
  const { stages, figures = {} } = (await readTrainingRuns(folder)).at(-1)!;
  const diversity = figures[DIVERSITY] ?? null;
  return {
    steps: stages.reduce((sum, { steps }) => sum + steps, 0),
    divergence: figures[DIVERGENCE] ?? null,
    diversity,
    isCollapsed: diversity !== null && isCollapsed(diversity),
  };
}
