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
 * `lr`, multiplied by `gamma` from each of the given steps on, or every so many steps, after a linear warm-up.
 * @param options.milestones steps, in any order
 * @param options.every in place of milestones: steps from one to the next
 * @param options.gamma default 0.1
 */
export function stepSchedule({
  lr,
  gamma = 0.1,
  warmup = 0,
  ...when
}: WarmupOptions & { gamma?: number } & (
    | { milestones: readonly number[]; every?: undefined }
    | { every: number; milestones?: undefined }
  )): Schedule {
  const passed = (step: number) =>
    when.milestones === undefined
      ? Math.floor(step / when.every)
      : when.milestones.filter((milestone) => milestone <= step).length;
  return withWarmup({ lr, warmup }, (step) => lr * gamma ** passed(step));
}

/** lr gamma^step, counted from the end of a linear warm-up. */
export function exponentialSchedule({ lr, gamma, warmup = 0 }: WarmupOptions & { gamma: number }): Schedule {
  return withWarmup({ lr, warmup }, (step) => lr * gamma ** (step - warmup));
}

/**
 * lr (1 - step / steps)^power, counted from the end of a linear warm-up; 0 from there on.
 * @param options.steps of the whole training, warm-up included
 * @param options.power default 1
 * @throws TorchError unless steps is above the warm-up
 */
export function polynomialSchedule({
  lr,
  steps,
  power = 1,
  warmup = 0,
}: WarmupOptions & { steps: number; power?: number }): Schedule {
  if (!(steps > warmup))
    throw new TorchError(`polynomialSchedule: ${steps} steps with ${warmup} of warm-up. Choose more steps.`);
  return withWarmup(
    { lr, warmup },
    (step) => lr * (1 - Math.min((step - warmup) / (steps - warmup), 1)) ** power,
  );
}

/**
 * In a straight line from `from` to `to` times `lr`, within so many steps; the same from there on.
 * @param options.from default 1/3
 * @param options.to default 1
 * @throws TorchError unless steps is above 0
 */
export function linearSchedule({
  lr,
  steps,
  from = 1 / 3,
  to = 1,
}: {
  lr: number;
  steps: number;
  from?: number;
  to?: number;
}): Schedule {
  if (!(steps > 0)) throw new TorchError(`linearSchedule: ${steps} steps. Choose a number above 0.`);
  return (step) => lr * (from + (to - from) * Math.min(step / steps, 1));
}

/** `lr` throughout, after a linear warm-up. */
export function constantSchedule({ lr, warmup = 0 }: WarmupOptions): Schedule {
  return withWarmup({ lr, warmup }, () => lr);
}

/** @internal A rate that rises linearly to `lr` first. */
export function withWarmup({ lr, warmup = 0 }: WarmupOptions, after: Schedule): Schedule {
  return (step) => (step < warmup ? (lr * (step + 1)) / warmup : after(step));
}
