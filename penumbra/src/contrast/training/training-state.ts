import { createHash } from "node:crypto";
import { join } from "node:path";
import { checkpoints, type nn, type optim, scope, type Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import type { Encoder } from "./encoder.ts";

type AnyOptimizer = optim.AdamW | optim.SGD;

/** All that changes while an encoder is trained. */
export interface TrainingState {
  readonly encoder: Encoder;
  readonly head: nn.Module;
  readonly optimizer: AnyOptimizer;
  /** For fp16, whose gradients would vanish. */
  readonly scaler: optim.GradScaler | null;
  /** Loss of every step so far: their number is the next step. */
  readonly losses: number[];
}

/** What a checkpoint says beside its tensors. */
interface Mark {
  readonly identity: string;
  readonly losses: readonly number[];
  readonly scaler: optim.GradScalerState | null;
}

const NAME = "training";

/** Writes the state into a folder within `folder`, as a whole: an interruption leaves this state or the one before. */
export function writeCheckpoint(folder: string, identity: string, state: TrainingState): void {
  const { losses, scaler } = state;
  const extra: Mark = { identity, losses, scaler: scaler?.state ?? null };
  checkpoints.save(join(folder, NAME), { ...partsOf(state), step: losses.length, extra });
}

/**
 * Brings the state to where the checkpoint in the folder stands; leaves it alone where there is none.
 * @throws ContrastError when the checkpoint belongs to another training
 */
export function readCheckpoint(folder: string, identity: string, state: TrainingState): void {
  const path = join(folder, NAME);
  if (!checkpoints.exists(path)) return;
  if (checkpoints.load<Mark>(path).extra.identity !== identity) {
    throw new ContrastError(
      `${path} is the checkpoint of a training with other images or settings. Remove it, or choose another checkpointFolder.`,
    );
  }
  const { losses, scaler } = checkpoints.load<Mark>(path, partsOf(state)).extra;
  if (state.scaler && scaler) state.scaler.state = scaler;
  state.losses.push(...losses);
}

function partsOf({ encoder, head, optimizer }: TrainingState) {
  return { model: { encoder, head }, optimizer };
}

/** A hash of all that determines a training: settings, labels and pixels. */
export function identityOf(settings: unknown, images: readonly Tensor[]): string {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  for (const tensor of images)
    scope(() => hash.update(tensor.to("cpu").contiguous().toTyped() as Uint8Array));
  return hash.digest("hex");
}
