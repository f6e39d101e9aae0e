import { FEWEST_DECIDING_SEEDS, type Outcome } from "../results/index.ts";
import type { Study } from "./plan-study.ts";
import { type RunOptions, runStudy } from "./run.ts";

/**
 * Runs a study seed by seed, from three on, until its hypotheses are decided or its seeds are used up. Each look at the
 * figures is one more chance to be misled, so the level is shared among all the looks that may be taken (Bonferroni):
 * with looks at 3, 4, … S seeds an interval of 95 % becomes one of 1 - 0.05 / (S - 2).
 *
 * Stages are those of {@link runStudy}: what one look made the next one uses.
 *
 * @throws RangeError with fewer seeds than can decide anything
 */
export async function runUntilDecided(study: Study, options: RunOptions = {}): Promise<Outcome> {
  const { config } = study;
  const { seeds, statistics } = config;
  const planned = seeds.length - FEWEST_DECIDING_SEEDS + 1;
  if (planned < 1) {
    throw new RangeError(
      `Fewer than ${FEWEST_DECIDING_SEEDS} seeds decide nothing, and the study has ${seeds.length}. Give it the most that it may take, such as --seeds 10.`,
    );
  }
  const confidence = 1 - (1 - statistics.confidence) / planned;
  for (let taken = 1; ; taken++) {
    const outcome = await runStudy(
      {
        ...study,
        config: {
          ...config,
          seeds: seeds.slice(0, FEWEST_DECIDING_SEEDS + taken - 1),
          statistics: { ...statistics, confidence },
        },
      },
      { ...options, looks: { taken, planned, of: config } },
    );
    if (taken === planned || isDecided(outcome)) return outcome;
  }
}

/** Whether every hypothesis about what images do is answered; without hypotheses, every question by accuracy. */
export function isDecided({ hypotheses, comparisons, unit }: Outcome): boolean {
  const asked = hypotheses.filter(({ name }) => name !== "H4");
  if (asked.length > 0) return asked.every(({ verdict }) => verdict !== "undecided");
  return comparisons
    .filter((item) => item.unit === unit && item.outcome === "accuracy")
    .every(({ verdict }) => verdict !== "undecided");
}
