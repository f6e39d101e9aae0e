import { join } from "node:path";
import type { nn, Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { cacheFolder } from "@penumbra/torch/library";
import type { Measure } from "./measure.ts";
import { repeated } from "./workloads/workload.ts";

interface Compiled extends Pick<Measure, "name" | "title" | "goal"> {
  /** As `peers/compiled.py` calls it. */
  readonly network: string;
  readonly shape: Readonly<Record<string, number>>;
  readonly steps: number;
  readonly build: () => nn.Module;
  /** The input that both sides have. */
  readonly example: () => Tensor;
}

/**
 * Compares a network that Python's AOTInductor has compiled, run here, with the same one run eagerly here. The peer makes
 * the package once, which takes minutes.
 * @throws Error where both are not the same computation
 */
export function compiled({ network, shape, steps, build, example, ...measure }: Compiled): Measure {
  return {
    ...measure,
    unit: "ms",
    against: "our eager",
    async prepare(peer) {
      const version = torch.version();
      const file = join(cacheFolder(), "bench", `${network}-${version}-${torch.getNumThreads()}.pt2`);
      const theirs = await peer.prepare("compiled", { network, file, shape });
      const model = build().eval();
      const input = example();
      const parameters = model.parameters().reduce((sum, { numel }) => sum + numel, 0);
      const packaged = torch.aot.load(file);
      const run = () => torch.scope(() => packaged.run(input)[0]!.to("float64").abs().sum().item());
      const difference = Math.abs(run() / Number(theirs.sum) - 1);
      if (parameters !== theirs.parameters || difference > 1e-3)
        throw new Error(
          `Not the same computation: ${parameters} parameters here and ${theirs.parameters} there, results ${difference} apart. Remove ${file}.`,
        );
      const ours = repeated(() => torch.scope(() => void packaged.run(input)));
      const eager = repeated(() => torch.inferenceMode(() => torch.scope(() => void model.forward(input))));
      for (const warmUp of [ours, eager]) await warmUp(1);
      return { ours: () => ours(steps), peer: async () => eager(steps) };
    },
  };
}
