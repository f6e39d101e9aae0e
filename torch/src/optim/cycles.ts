import { TorchError } from "../tensor/index.ts";
import type { Schedule, WarmupOptions } from "./schedule.ts";
import { withWarmup } from "./schedule.ts";

/** From a to b while share goes from 0 to 1, along half a cosine or straight. */
const ANNEALS = {
  cosine: (a: number, b: number, share: number) => b + ((a - b) / 2) * (1 + Math.cos(Math.PI * share)),
  linear: (a: number, b: number, share: number) => a + (b - a) * share,
} as const;

export interface OneCycleOptions {
  /** The highest rate. */
  maxLr: number;
  /** Of the whole training. */
  steps: number;
  /** Share of the steps in which the rate rises. Default 0.3. */
  rise?: number;
  /** Default "cosine". */
  anneal?: keyof typeof ANNEALS;
  /** The first rate is maxLr / divFactor. Default 25. */
  divFactor?: number;
  /** The last rate is the first one / finalDivFactor. Default 10,000. */
  finalDivFactor?: number;
  /** Falls to the first rate as long as it rose, then to the last one. Default false. */
  threePhase?: boolean;
}

/**
 * One cycle (Smith and Topin 2018): up to `maxLr`, then far below the beginning. The optimizer's momentum is not touched.
 * @throws TorchError unless steps is 2 or more and rise in 0 … 1 (with threePhase up to 0.5)
 */
export function oneCycleSchedule({
  maxLr,
  steps,
  rise = 0.3,
  anneal = "cosine",
  divFactor = 25,
  finalDivFactor = 1e4,
  threePhase = false,
}: OneCycleOptions): Schedule {
  if (!(steps >= 2) || !(rise >= 0 && rise <= (threePhase ? 0.5 : 1))) {
    throw new TorchError(
      `oneCycleSchedule: ${steps} steps with a rise of ${rise}. Choose 2 steps or more, and a share in 0 … ${threePhase ? 0.5 : 1}.`,
    );
  }
  const first = maxLr / divFactor;
  const last = first / finalDivFactor;
  const top = rise * steps - 1;
  const phases = threePhase
    ? [
        [top, first, maxLr],
        [2 * rise * steps - 2, maxLr, first],
        [steps - 1, first, last],
      ]
    : [
        [top, first, maxLr],
        [steps - 1, maxLr, last],
      ];
  return (step) => {
    let start = 0;
    for (const [end, from, to] of phases as [number, number, number][]) {
      if (step <= end) return ANNEALS[anneal](from, to, (step - start) / (end - start));
      start = end;
    }
    return last;
  };
}

/**
 * Half a cosine from `lr` to `minLr` again and again (Loshchilov and Hutter 2017, eq. 5), after a linear warm-up.
 * @param options.period steps of the first half cosine
 * @param options.growth how much longer each is than the one before. Default 1
 * @throws TorchError unless period is above 0 and growth 1 or more
 */
export function cosineRestartsSchedule({
  lr,
  period,
  growth = 1,
  minLr = 0,
  warmup = 0,
}: WarmupOptions & { period: number; growth?: number; minLr?: number }): Schedule {
  if (!(period > 0 && growth >= 1)) {
    throw new TorchError(
      `cosineRestartsSchedule: period ${period} with a growth of ${growth}. Choose a period above 0 and a growth from 1 on.`,
    );
  }
  return withWarmup({ lr, warmup }, (step) => {
    let [since, length] = [step - warmup, period];
    if (growth === 1) since %= period;
    else
      while (since >= length) {
        since -= length;
        length *= growth;
      }
    return ANNEALS.cosine(lr, minLr, since / length);
  });
}

/** Schedules one after the other, each counted from 0 at its beginning; the last one goes on. */
export function sequentialSchedule(
  ...parts: readonly [...{ schedule: Schedule; steps: number }[], Schedule]
): Schedule {
  const last = parts.at(-1) as Schedule;
  const before = parts.slice(0, -1) as { schedule: Schedule; steps: number }[];
  return (step) => {
    let since = step;
    for (const { schedule, steps } of before) {
      if (since < steps) return schedule(since);
      since -= steps;
    }
    return last(since);
  };
}

/**
 * `lr`, times what each of the factors gives: schedules that are made with an `lr` of 1.
 * @example chainedSchedule({ lr: 0.1, factors: [constantSchedule({ lr: 1, warmup: 100 }), exponentialSchedule({ lr: 1, gamma: 0.99 })] })
 */
export function chainedSchedule({ lr, factors }: { lr: number; factors: readonly Schedule[] }): Schedule {
  return (step) => factors.reduce((rate, factor) => rate * factor(step), lr);
}
