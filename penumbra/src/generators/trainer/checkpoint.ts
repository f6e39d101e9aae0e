import { checkpoints, nn } from "@penumbra/torch";
import type { Trainee, TrainMark } from "./trainee.ts";

type Kept = Pick<Trainee, "networks" | "averages" | "optimizer">;

function partsOf({ networks, averages, optimizer }: Kept) {
  return { model: networks, optimizer, ...(averages && { ema: averages }) };
}

/** Writes all that the next step depends on into a folder, replacing the checkpoint there as a whole. */
export function writeCheckpoint(folder: string, trainee: Kept, mark: TrainMark): void {
  const { step, ...extra } = mark;
  checkpoints.save(folder, { ...partsOf(trainee), step, extra });
}

/**
 * Puts a trainee where the checkpoint in the folder left it; leaves it alone where there is none.
 * @throws Error when the checkpoint comes from other settings
 */
export function restoreCheckpoint(folder: string, trainee: Kept): TrainMark {
  if (!checkpoints.exists(folder)) return { step: 0, seconds: 0, figures: {} };
  try {
    const { step, extra } = checkpoints.load<Omit<TrainMark, "step">>(folder, partsOf(trainee));
    return { step, ...extra };
  } catch (cause) {
    if (!(cause instanceof nn.StateDictError)) throw cause;
    throw new Error(
      `The checkpoint "${folder}" does not fit: it comes from other settings. Use the same ones, or another work folder.\n${cause.message}`,
      { cause },
    );
  }
}
