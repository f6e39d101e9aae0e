// What a fresh array for a tensor's elements costs beside one that is there, and why: processor time of one copy of a
// million floats. Each way has a process of its own, because V8's collector remembers what came before.
//
//   OMP_NUM_THREADS=1 node --import tsx --conditions=source bench/fresh-arrays.ts
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as torch from "@penumbra/torch";
import { chooseClock } from "./clock.ts";
import { repeated } from "./workloads/workload.ts";

const ELEMENTS = 1_000_000;
const COPIES = 100;
const ROUNDS = 15;

const WAYS: Readonly<Record<string, (x: torch.Tensor) => () => unknown>> = {
  "toTyped({ into }), one array": (x) => intoTurns(x, 1),
  "toTyped({ into }), 12 arrays in turns": (x) => intoTurns(x, 12),
  "toTyped()": (x) => () => x.toTyped(),
  "slice() of a typed array, V8's own copy": (x) => {
    const array = x.toTyped();
    return () => array.slice();
  },
};

function intoTurns(x: torch.Tensor, count: number): () => unknown {
  const arrays = Array.from({ length: count }, () => new Float32Array(ELEMENTS));
  let turn = 0;
  return () => {
    turn = (turn + 1) % count;
    return x.toTyped({ into: arrays[turn]! });
  };
}

async function measure(way: string): Promise<void> {
  chooseClock("cpu");
  const run = repeated(WAYS[way]!(torch.randn([ELEMENTS])));
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) costs.push(1000 * (await run(COPIES)));
  costs.sort((a, b) => a - b);
  const [low, median, high] = [0.25, 0.5, 0.75].map((at) => costs[Math.round(at * (ROUNDS - 1))]!.toFixed(0));
  console.log(`${way.padEnd(40)} ${median} µs (${low}–${high})`);
}

const [chosen] = process.argv.slice(2);
if (chosen !== undefined) await measure(chosen);
else
  for (const way of Object.keys(WAYS))
    execFileSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), way], {
      stdio: "inherit",
    });
