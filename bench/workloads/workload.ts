import * as torch from "@penumbra/torch";
import { type nn, optim, type Tensor } from "@penumbra/torch";

/** One computation that both sides can run; `peers/<module>.py` gets the same parameters. */
export interface Workload {
  readonly module: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly build: () => Built;
}

/** Our side, ready to run, and the facts in which it must agree with the peer. */
export interface Built {
  readonly step: () => void;
  readonly facts: Readonly<Record<string, number>>;
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
  return { step, facts: { parameters: model.parameters().reduce((sum, { numel }) => sum + numel, 0) } };
}
