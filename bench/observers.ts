// What the profiler, anomaly mode and the checks of numbers cost while they are off: processor time of one small operator
// (the mix of `operators`) in processes in turns, one that never looked on and one in which all three were on before.
// With another checkout's `torch/src/index.ts`, for example one whose addon has no such looks at all, that one too.
//
//   OMP_NUM_THREADS=1 node --import tsx --conditions=source bench/observers.ts [OTHER/torch/src/index.ts]
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Torch from "@penumbra/torch";

const SIZE = 4;
const STEPS = 20_000;
const SAMPLES = 15;
const ROUNDS = 8;

async function cost(torch: typeof Torch, isObservedBefore: boolean): Promise<number> {
  const x = torch.randn([SIZE]);
  const y = torch.randn([SIZE]);
  const matrix = torch.randn([SIZE, SIZE]);
  const step = (): void =>
    torch.noGrad(() =>
      torch.scope(() => {
        x.add(y);
        x.mul(y);
        x.relu();
        x.sum([0]);
        matrix.mv(x);
      }),
    );
  if (isObservedBefore) {
    const profile = await torch.profiler.profile(step, { shapes: true, memory: true });
    if (profile.totals().length < 5) throw new Error("The profiler saw nothing.");
    torch.detectAnomaly(step);
    torch.detectNonFinite(step);
  }
  const samples: number[] = [];
  for (let sample = -2; sample < SAMPLES; sample += 1) {
    const before = process.cpuUsage();
    for (let index = 0; index < STEPS; index += 1) step();
    const { user, system } = process.cpuUsage(before);
    if (sample >= 0) samples.push((1000 * (user + system)) / (5 * STEPS)); // ns an operator
  }
  return median(samples);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

const [first, mode] = process.argv.slice(2);
if (mode !== undefined) {
  console.log(await cost((await import(first!)) as typeof Torch, mode === "observed before"));
} else {
  const own = "@penumbra/torch";
  const ways: Record<string, readonly [string, string]> = {
    "never observed": [own, "never observed"],
    "observed before": [own, "observed before"],
    ...(first ? { "the other checkout": [pathToFileURL(resolve(first)).href, "never observed"] } : {}),
  };
  const costs = new Map(Object.keys(ways).map((way) => [way, [] as number[]]));
  for (let round = 0; round < ROUNDS; round += 1) {
    const turn = Object.entries(ways);
    for (const [way, args] of round % 2 === 0 ? turn : turn.reverse()) {
      const script = [...process.execArgv, fileURLToPath(import.meta.url), ...args];
      costs.get(way)!.push(Number(execFileSync(process.execPath, script, { encoding: "utf8" })));
    }
  }
  const base = costs.get("never observed")!;
  for (const [way, each] of costs) {
    const ratios = each.map((ns, round) => ns / base[round]!).sort((a, b) => a - b);
    const [low, high] = [ratios[ROUNDS >> 2]!, ratios[ROUNDS - 1 - (ROUNDS >> 2)]!];
    console.log(
      `${way.padEnd(20)} ${median(each).toFixed(0)} ns an operator, ${median(ratios).toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`,
    );
  }
}
