import { createHash } from "node:crypto";
import { join } from "node:path";
import { checkpoints, nn, optim, scope, type Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import type { Encoder } from "./encoder.ts";
import type { Evaluation } from "./kept-weights.ts";
import type { ProjectionMemory } from "./memory.ts";

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
  readonly evaluations: Evaluation[];
  /** Running average of the weights of encoder and head; null where there is none. */
  readonly average: optim.Ema | null;
  /** Past projections; null where none are remembered. */
  readonly memory: ProjectionMemory | null;
  /** The weights of the best evaluation so far; null where those of the last step are kept. */
  readonly best: optim.Ema | null;
}

/** An encoder and its head as one, whose weights are averaged and remembered together. */
class EncoderWithHead extends nn.Module {
  readonly encoder: Encoder;
  readonly head: nn.Module;

  constructor(encoder: Encoder, head: nn.Module) {
    super();
    this.encoder = encoder;
    this.head = head;
  }

  override forward(pixels01: Tensor): Tensor {
    return this.head.forward(this.encoder.forward(pixels01));
  }
}

/** Copies of the weights that a training keeps beside its own. */
export function weightsBeside(
  encoder: Encoder,
  head: nn.Module,
  { ema, remembersBest }: { readonly ema: number; readonly remembersBest: boolean },
): Pick<TrainingState, "average" | "best"> {
  const both = new EncoderWithHead(encoder, head);
  return {
    // With the warm-up the random weights of the first steps do not linger in a short training.
    average: ema > 0 ? new optim.Ema(both, { decay: ema, warmup: true }) : null,
    best: remembersBest ? new optim.Ema(both, { decay: 0 }) : null, // an average that keeps nothing is a copy
  };
}

/** Puts the weights that are to be kept into encoder and head. */
export function settleWeights({ encoder, head, average, best }: TrainingState): void {
  (best ?? average)?.copyTo(new EncoderWithHead(encoder, head));
}

/** What a checkpoint says beside its tensors. */
interface Mark {
  readonly identity: string;
  readonly losses: readonly number[];
  readonly evaluations: readonly Evaluation[];
  readonly scaler: optim.GradScalerState | null;
}

const NAME = "training";

/** Writes the state into a folder within `folder`, as a whole: an interruption leaves this state or the one before. */
export function writeCheckpoint(folder: string, identity: string, state: TrainingState): void {
  const { losses, evaluations, scaler } = state;
  const extra: Mark = { identity, losses, evaluations, scaler: scaler?.state ?? null };
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
  const { losses, evaluations, scaler } = checkpoints.load<Mark>(path, partsOf(state)).extra;
  if (state.scaler && scaler) state.scaler.state = scaler;
  state.losses.push(...losses);
  state.evaluations.push(...evaluations);
}

function partsOf({ encoder, head, optimizer, memory, average, best }: TrainingState) {
  return {
    ...{ model: { encoder, head, ...(memory && { memory }) }, optimizer },
    ema: { ...(average && { average }), ...(best && { best }) },
  };
}

/** A hash of all that determines a training: settings, labels, pixels and a teacher's weights. */
export function identityOf(settings: unknown, tensors: readonly Tensor[]): string {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  for (const tensor of tensors)
    scope(() => hash.update(tensor.to("cpu").contiguous().toTyped() as NodeJS.TypedArray));
  return hash.digest("hex");
}
