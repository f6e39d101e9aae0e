import * as torch from "@penumbra/torch";
import { type nn, optim, type Tensor } from "@penumbra/torch";
import { millisecondsPerStep, type Sides } from "../measure.ts";
import type { Peer } from "../peer.ts";

/** What a training measure needs of our side; the peer's module gets the same parameters. */
interface Training {
  readonly peer: Peer;
  readonly module: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly model: nn.AnyModule;
  readonly loss: () => Tensor;
  /** Steps in one sample. */
  readonly steps: number;
  readonly note?: string;
}

/**
 * A training step, zeroing gradients to fused AdamW, beside the peer's.
 * @throws Error when the two sides do not have the same number of parameters: they would not be the same network
 */
export async function trainingSides({
  peer,
  module,
  parameters,
  model,
  loss,
  steps,
  note,
}: Training): Promise<Sides> {
  const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
  const step = (): void =>
    torch.scope(() => {
      optimizer.zeroGrad();
      loss().backward();
      optimizer.step();
    });
  const facts = await peer.prepare(module, parameters);
  const count = model.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  if (facts.parameters !== count) {
    throw new Error(
      `Ours has ${count} parameters and ${module}.py ${facts.parameters}: not the same network.`,
    );
  }
  millisecondsPerStep(steps, step); // the JIT compiler's and oneDNN's warm-up
  await peer.run(steps);
  return {
    ours: () => millisecondsPerStep(steps, step),
    peer: () => peer.run(steps),
    ...(note ? { note } : {}),
  };
}

/** Why bf16 is not measured here; undefined where the processor computes in it. */
export function withoutBf16(): string | undefined {
  const { dtype, reason } = torch.resolvePrecision("auto", "cpu");
  return dtype === "bfloat16" ? undefined : reason;
}
