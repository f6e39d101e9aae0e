// Runs the steps of one workload in a process of its own and prints its resident memory as a line of JSON:
// `resident.ts THREADS WORKLOAD WARM_UP STEPS`.
import { readFileSync } from "node:fs";
import * as torch from "@penumbra/torch";
import { WORKLOADS } from "./workloads/index.ts";

const [threads, name = "", warmUp, steps] = process.argv.slice(2);
const workload = WORKLOADS[name];
if (!workload) throw new Error(`No workload is called "${name}".`);
torch.setNumThreads(Number(threads));

const { run } = workload.build();
await run(Number(warmUp));
const early = memory("VmRSS");
await run(Number(steps));
process.stdout.write(`${JSON.stringify({ early, late: memory("VmRSS"), peak: memory("VmHWM") })}\n`);

/** Kilobytes, from the kernel. */
function memory(field: string): number {
  const line = readFileSync("/proc/self/status", "utf8").match(new RegExp(`^${field}:\\s*(\\d+)`, "m"));
  return Number(line?.[1]);
}
