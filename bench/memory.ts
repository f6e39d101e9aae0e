import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import * as torch from "@penumbra/torch";
import type { Measure } from "./measure.ts";
import { workloadNamed } from "./timing.ts";

interface Residence extends Pick<Measure, "name" | "title" | "goal"> {
  readonly workload: string;
  /** Steps before the first look at the memory. */
  readonly warmUp: number;
  /** Steps from then to the end. */
  readonly steps: number;
}

/** Kilobytes, as both sides' `resident` programs print them. */
interface Memory {
  readonly early: number;
  readonly late: number;
  readonly peak: number;
}

const ROUNDS = 3;

/** Compares the peak resident memory of two processes, and tells how much ours grew after its warm-up. */
export function resident({ workload, warmUp, steps, ...measure }: Residence): Measure {
  const { module, parameters } = workloadNamed(workload);
  const folder = import.meta.dirname;
  const threads = String(torch.getNumThreads());
  return {
    ...measure,
    unit: "MiB",
    async prepare(peer) {
      const growth: number[] = [];
      const counts = [String(warmUp), String(steps)];
      const ours = ["--import", "tsx", "--conditions=source", join(folder, "resident.ts"), threads, workload];
      const peers = [join(folder, "peers", "resident.py"), threads, module, JSON.stringify(parameters)];
      return {
        rounds: ROUNDS,
        async ours() {
          const memory = await run(process.execPath, [...ours, ...counts]);
          growth.push((memory.late - memory.early) / 1024);
          return memory.peak / 1024;
        },
        peer: async () => (await run(peer.python, [...peers, ...counts])).peak / 1024,
        note: () => `grew by ${Math.max(...growth).toFixed(1)} MiB at most in the last ${steps} steps`,
      };
    },
  };
}

async function run(program: string, args: readonly string[]): Promise<Memory> {
  const { stdout } = await promisify(execFile)(program, args);
  return JSON.parse(stdout) as Memory;
}
