import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { nn, safetensors, scope, threads } from "@penumbra/torch";
import { repeated, type Workload } from "./workload.ts";

/** One way in which elements leave a tensor. */
export interface WayOut {
  /** One turn of a loop that nothing interrupts. */
  readonly turn: () => unknown;
  /** Bytes of each turn that would stay if what it makes were not released. */
  readonly bytes: number;
  /** Done in every 1,000th turn only: it waits for the disk. */
  readonly isSlow?: boolean;
}

const SHAPE = { size: 256, batch: 16, inputs: 16, outputs: 64 };

/**
 * Every way out of a tensor that nobody has to wait for.
 * @param scale how many times larger the tensors are than in the benchmark
 */
export function waysOut(scale = 1): Record<string, WayOut> {
  const { batch, inputs } = SHAPE;
  const size = SHAPE.size * scale;
  const outputs = SHAPE.outputs * scale;
  const folder = mkdtempSync(join(tmpdir(), "penumbra-ways-out-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "tensor.safetensors");
  const linear = new nn.Linear(inputs, outputs);
  const batchOfInputs = torch.randn([batch, inputs]);
  const generator = new torch.Generator({ seed: 0 });
  const fresh = () => torch.zeros([size]);
  safetensors.write(file, { x: fresh() });
  return {
    toTyped: { turn: () => fresh().toTyped(), bytes: 4 * size },
    toNumbers: { turn: () => fresh().toNumbers(), bytes: 8 * size },
    tolist: { turn: () => fresh().reshape([16, -1]).tolist(), bytes: 8 * size },
    asTyped: { turn: () => fresh().asTyped(), bytes: 4 * size },
    item: { turn: () => fresh().sum().item(), bytes: 4 * size },
    toString: { turn: () => fresh().narrow(0, 0, 8).toString(), bytes: 4 * size },
    evaluation: { turn: () => linear.forward(batchOfInputs).toTyped(), bytes: 4 * batch * outputs },
    getState: { turn: () => generator.getState().toTyped(), bytes: 5056 },
    giveAndTake: { turn: () => void threads.take(threads.give(fresh())), bytes: 4 * size },
    read: { turn: () => void safetensors.read(file), bytes: 4 * size },
    write: { turn: () => safetensors.write(file, { x: fresh() }), bytes: 4 * size, isSlow: true },
  };
}

/** Every way out of a tensor once in each step. */
export const allWaysOut: Workload = {
  module: "ways_out",
  parameters: SHAPE,
  build() {
    const ways = Object.values(waysOut());
    let turns = 0;
    const step = (): void => {
      turns += 1;
      for (const { turn, isSlow } of ways) if (!isSlow || turns % 1000 === 0) scope(turn);
    };
    return { run: repeated(step), facts: {} };
  },
};
