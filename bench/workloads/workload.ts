import * as torch from "@penumbra/torch";
import { type nn, optim, type Tensor } from "@penumbra/torch";
import { now } from "../clock.ts";

/** One computation that both sides can run; `peers/<module>.py` gets the same parameters. */
export interface Workload {
  readonly module: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly build: () => Built;
}

/** Our side, ready to run, and the facts in which it must agree with the peer. */
export interface Built {
  /** Runs this many steps and returns the milliseconds that one took. */
  readonly run: (steps: number) => number | Promise<number>;
  readonly facts: Readonly<Record<string, number>>;
}

/** Runs a synchronous step so many times. */
export function repeated(step: () => void): Built["run"] {
  return (steps) => {
    const started = now();
    for (let index = 0; index < steps; index += 1) step();
    return (now() - started) / steps;
  };
}

/**
 * Takes the time between the first and the last step that a whole training reports, so that what it prepares before
 * its first step does not count.
 */
export function reported(
  training: (steps: number, onProgress: (done: number, total: number) => void) => Promise<unknown>,
): Built["run"] {
  return async (steps) => {
    let started = 0;
    let ended = 0;
    await training(steps + 1, (done) => {
      ended = now();
      if (done === 1) started = ended;
    });
    return (ended - started) / steps;
  };
}

/** A training step in a scope: zero the gradients, loss, backward, fused AdamW. */
export function trainingStep(model: nn.AnyModule, loss: () => Tensor): Built {
  const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
  const step = (): void =>
    torch.scope(() => {
      optimizer.zeroGrad();
      loss().backward();
      optimizer.step();
    });
  return {
    run: repeated(step),
    facts: { parameters: model.parameters().reduce((sum, { numel }) => sum + numel, 0) },
  };
}
