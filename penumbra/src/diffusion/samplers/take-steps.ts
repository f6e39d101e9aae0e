import type { Tensor } from "@penumbra/torch";
import type { Drawing } from "./drawing.ts";

export interface TakeStepsOptions {
  /** Ends the work between two steps; what it throws is the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each step, and waited for. */
  readonly onStep?: (drawing: Drawing) => unknown;
}

/**
 * Takes a drawing's steps with a turn of the event loop between any two: files are written meanwhile, and signals heard.
 *
 * @returns float32 [B, 3, H, W] in 0..1
 */
export async function takeSteps(
  drawing: Drawing,
  { signal, onStep }: TakeStepsOptions = {},
): Promise<Tensor> {
  signal?.throwIfAborted();
  while (drawing.step()) {
    await onStep?.(drawing);
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  }
  return drawing.images();
}
