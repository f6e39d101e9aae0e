import { DiffusionError, type SchedulerConfig } from "../model/index.ts";

/** @throws DiffusionError for a number of steps that is not a whole one in 1 … most */
export function checkSteps(steps: number, most: number): void {
  if (Number.isInteger(steps) && steps >= 1 && steps <= most) return;
  throw new DiffusionError(
    `steps is ${steps}; sampling takes 1 … ${most} steps. Choose a whole number in that range.`,
  );
}

/**
 * So many timesteps from the noisiest to the cleanest (Lin et al. 2024, table 2, for the spacings; diffusers' rounding).
 *
 * @param steps 1 … num_train_timesteps
 * @throws DiffusionError for another number of steps
 */
export function spacedTimesteps(config: SchedulerConfig, steps: number): number[] {
  const { num_train_timesteps: count, timestep_spacing: spacing } = config;
  checkSteps(steps, count);
  if (spacing === "leading") return leading(config, steps, Math.floor(count / steps), 0);
  if (spacing === "trailing") return trailing(count, count / steps, steps);
  const last = count - 1;
  return Array.from({ length: steps }, (_, i) =>
    roundHalfEven(steps === 1 ? 0 : (i * last) / (steps - 1)),
  ).reverse();
}

/**
 * The timesteps of multistep solvers in diffusers: as if one step more was taken, without its cleanest timestep, so that
 * the last step goes to no noise at all.
 *
 * @param count timesteps that are used, from the cleanest; default all
 */
export function solverTimesteps(
  config: SchedulerConfig,
  steps: number,
  count = config.num_train_timesteps,
): number[] {
  const { num_train_timesteps: all, timestep_spacing: spacing } = config;
  checkSteps(steps, all - 1);
  if (spacing === "leading") return leading(config, steps, Math.floor(count / (steps + 1)), 1);
  if (spacing === "trailing") return trailing(count, all / steps, steps);
  return Array.from({ length: steps }, (_, i) => roundHalfEven(((steps - i) * (count - 1)) / steps));
}

function leading(config: SchedulerConfig, steps: number, stride: number, first: number): number[] {
  const { num_train_timesteps: count, steps_offset: offset } = config;
  if (stride * (steps - 1 + first) + offset >= count) {
    throw new DiffusionError(
      `${steps} steps with "steps_offset" ${offset} begin after the last timestep, ${count - 1}. Choose fewer steps.`,
    );
  }
  return Array.from({ length: steps }, (_, i) => (steps - 1 - i + first) * stride + offset);
}

function trailing(count: number, stride: number, steps: number): number[] {
  const timesteps = Array.from({ length: steps }, (_, i) => roundHalfEven(count - i * stride) - 1);
  return timesteps.filter((timestep) => timestep >= 0);
}

/** numpy's rounding, which diffusers' timesteps go through. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
