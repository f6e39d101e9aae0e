import { TorchError } from "../tensor/index.ts";

/** The learning rate of a step, counted from 0: a pure function, so that training resumes with nothing but the step. */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  /** The learning rate after warm-up. */
  lr: number;
  /** Steps in which the rate rises linearly: lr (step + 1) / warmup. Default 0. */
  warmup?: number;
}

/**
 * Half a cosine from `lr` down to `minLr` (Loshchilov and Hutter 2017, eq. 5, without restarts), after a linear warm-up.
 * From step `steps` on the rate is `minLr`.
 *
 * @param options.steps of the whole training, warm-up included
 * @param options.minLr default 0
 * @example for (let step = 0; step < steps; step++) { optimizer.lr = schedule(step); … }
 */
export function cosineSchedule({
  lr,
  steps,
  warmup = 0,
  minLr = 0,
}: WarmupOptions & { steps: number; minLr?: number }): Schedule {
  if (!(steps > 0) || !(warmup >= 0 && warmup <= steps)) {
    throw new TorchError(
      `cosineSchedule: ${steps} steps with ${warmup} of warm-up. Choose 0 <= warmup <= steps.`,
    );
  }
  return withWarmup({ lr, warmup }, (step) => {
    const share = steps > warmup ? Math.min((step - warmup) / (steps - warmup), 1) : 1;
    return minLr + ((lr - minLr) * (1 + Math.cos(Math.PI * share))) / 2;
  });
}

/**
 * `lr`, multiplied by `gamma` from each of the given steps on, after a linear warm-up.
 * @param options.milestones steps, in any order
 * @param options.gamma default 0.1
 */
export function stepSchedule({
  lr,
  milestones,
  gamma = 0.1,
  warmup = 0,
}: WarmupOptions & { milestones: readonly number[]; gamma?: number }): Schedule {
  return withWarmup(
    { lr, warmup },
    (step) => lr * gamma ** milestones.filter((milestone) => milestone <= step).length,
  );
}

/** `lr` throughout, after a linear warm-up. */
export function constantSchedule({ lr, warmup = 0 }: WarmupOptions): Schedule {
  return withWarmup({ lr, warmup }, () => lr);
}

function withWarmup({ lr, warmup = 0 }: WarmupOptions, after: Schedule): Schedule {
  return (step) => (step < warmup ? (lr * (step + 1)) / warmup : after(step));
}
