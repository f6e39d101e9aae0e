import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { freePort } from "../torch/src/distributed/launch.ts";
import { chosenClock } from "./clock.ts";
import type { Measure } from "./measure.ts";
import type { Order } from "./rank.ts";

interface Scaling extends Pick<Measure, "name" | "title" | "goal"> {
  readonly processes: number;
  /** Images of a step in each process. */
  readonly images: number;
  readonly steps: number;
}

/**
 * Compares the step of several processes of one thread, each on a batch of its own with gradients averaged, with the
 * step of a single such process: 1 would be perfect scaling. The note tells what the machine itself loses when as many
 * processes run and exchange nothing.
 */
export function scaling({ processes, images, steps, ...measure }: Scaling): Measure {
  return {
    ...measure,
    unit: "ms",
    against: "one process",
    async prepare() {
      const port = String(await freePort());
      const ranks = Array.from({ length: processes }, (_, rank) =>
        start(images, {
          ...{ RANK: `${rank}`, WORLD_SIZE: `${processes}` },
          MASTER_ADDR: "127.0.0.1",
          MASTER_PORT: port,
        }),
      );
      const single = start(images, {});
      const all = (mode: Order["mode"]): Promise<number> => slowest(ranks, { steps, mode });
      await all("together"); // the first steps warm up
      await slowest([single], { steps, mode: "alone" });
      const apart: number[] = [];
      return {
        async ours() {
          apart.push(await all("alone"));
          return all("together");
        },
        peer: () => slowest([single], { steps, mode: "alone" }),
        note: () => `${Math.min(...apart).toPrecision(3)} ms at best where the ${processes} exchange nothing`,
        close: () => [...ranks, single].forEach(({ child }) => void child.disconnect()),
      };
    },
  };
}

/** A process, and what happens when it ends before its time. */
interface Trainer {
  readonly child: ChildProcess;
  readonly failure: Promise<never>;
}

function start(images: number, env: NodeJS.ProcessEnv): Trainer {
  const child = fork(join(import.meta.dirname, "rank.ts"), [String(images), chosenClock()], {
    execArgv: ["--import", "tsx", "--conditions=source"],
    env: { ...process.env, OMP_NUM_THREADS: "1", ...env },
  });
  const failure = once(child, "exit").then(([code]): never => {
    throw new Error(`A process of the measure ended with ${code}.`);
  });
  failure.catch(() => {}); // those that were closed end too
  return { child, failure };
}

async function slowest(trainers: readonly Trainer[], order: Order): Promise<number> {
  const times = trainers.map(async ({ child, failure }) => {
    const answer = once(child, "message") as Promise<[number]>;
    child.send(order);
    return (await Promise.race([answer, failure]))[0];
  });
  return Math.max(...(await Promise.all(times)));
}
