import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { type nn, type optim, safetensors, scope, type Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import type { Encoder } from "./encoder.ts";
import type { LossScale } from "./loss-scale.ts";

type AnyOptimizer = optim.AdamW | optim.SGD;

/** All that changes while an encoder is trained. */
export interface TrainingState {
  readonly encoder: Encoder;
  readonly head: nn.Module;
  readonly optimizer: AnyOptimizer;
  readonly scale: LossScale | null;
  /** Loss of every step so far: their number is the next step. */
  readonly losses: number[];
}

const FILE = "training.safetensors";

/** Writes the state into one file: aside, then renamed, so that an interruption leaves this state or the one before. */
export function writeCheckpoint(folder: string, identity: string, state: TrainingState): void {
  mkdirSync(folder, { recursive: true });
  const { tensors: optimizerTensors, ...optimizer } = state.optimizer.stateDict();
  const scale = state.scale && { scale: state.scale.scale, streak: state.scale.streak };
  scope(() =>
    safetensors.write(
      join(folder, FILE),
      {
        ...prefixed("encoder", state.encoder.stateDict()),
        ...prefixed("head", state.head.stateDict()),
        ...prefixed("optimizer", optimizerTensors),
        losses: torch.fromTyped(Float64Array.from(state.losses), [state.losses.length]),
      },
      { identity, optimizer: JSON.stringify(optimizer), scale: JSON.stringify(scale) },
    ),
  );
}

/**
 * Brings the state to where the checkpoint in the folder stands; leaves it alone where there is none.
 * @throws ContrastError when the checkpoint belongs to another training
 */
export function readCheckpoint(folder: string, identity: string, state: TrainingState): void {
  const path = join(folder, FILE);
  if (!existsSync(path)) return;
  scope(() => {
    const { tensors, metadata } = safetensors.read(path);
    if (metadata.identity !== identity) {
      throw new ContrastError(
        `${path} is the checkpoint of a training with other images or settings. Remove it, or choose another checkpointFolder.`,
      );
    }
    const part = (prefix: string) => unprefixed(prefix, tensors);
    state.encoder.loadStateDict(part("encoder"));
    state.head.loadStateDict(part("head"));
    state.optimizer.loadStateDict({
      ...JSON.parse(metadata.optimizer as string),
      tensors: part("optimizer"),
    });
    if (state.scale) Object.assign(state.scale, JSON.parse(metadata.scale as string));
    state.losses.push(...(tensors.losses as Tensor).toNumbers());
  });
}

/** A hash of all that determines a training: settings, labels and pixels. */
export function identityOf(settings: unknown, images: readonly Tensor[]): string {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  for (const tensor of images)
    scope(() => hash.update(tensor.to("cpu").contiguous().toTyped() as Uint8Array));
  return hash.digest("hex");
}

function prefixed(prefix: string, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [`${prefix}.${key}`, tensor]));
}

function unprefixed(prefix: string, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const own = Object.entries(tensors).filter(([key]) => key.startsWith(`${prefix}.`));
  return Object.fromEntries(own.map(([key, tensor]) => [key.slice(prefix.length + 1), tensor]));
}
