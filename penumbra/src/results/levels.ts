import type { Contrast } from "./design.ts";
import type { ArmLevel, Difference, OutcomeName, Unit } from "./outcome.ts";
import { outcomes } from "./outcome.ts";

export interface LevelsOptions {
  readonly arms: readonly string[];
  readonly shots: number;
  readonly unit: Unit;
  /** Null where the figure does not exist. */
  readonly judge: (contrast: Contrast, outcome: OutcomeName) => Difference | null;
}

/** The figures of every arm with a number of shots, with intervals over seeds and test objects. */
export function levelsOf({ arms, shots, unit, judge }: LevelsOptions): ArmLevel[] {
  return arms.flatMap((arm) =>
    outcomes.flatMap((outcome): ArmLevel[] => {
      const level = judge({ treatment: [arm], control: [] }, outcome);
      if (!level) return [];
      const { perSeed, mean, interval } = level;
      return [{ arm, shots, outcome, unit, perSeed, mean, interval }];
    }),
  );
}
