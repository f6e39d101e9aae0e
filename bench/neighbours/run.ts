// README's table beside the neighbours: an inference and a training step of one network (network.ts) in each library that
// runs in Node, and in Python's torch; processor time on one thread each, in processes of their own, in turns.
//
//   OMP_NUM_THREADS=1 node --import tsx --conditions=source bench/neighbours/run.ts
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "@penumbra/torch/library";
import { chooseClock, now } from "../clock.ts";
import { execute, startPeer } from "../peer.ts";
import { BATCH, LR, SIZES } from "./network.ts";
import { SIDES } from "./sides.ts";

const ROUNDS = 5;
/** Seconds of one measure in one round. */
const SPAN = 1;

interface Figures {
  /** ms of processor time. */
  readonly infer: number;
  readonly train: number | null;
  /** What the network gave first, and its loss in the fourth step. */
  readonly facts: readonly [logits: number, loss: number | null];
}

async function timed(step: () => Promise<number> | number): Promise<number> {
  const end = performance.now() + 1000 * SPAN;
  const started = now();
  let steps = 0;
  for (; performance.now() < end; steps += 1) await step();
  return (now() - started) / steps;
}

async function figures(name: string, folder: string): Promise<Figures> {
  chooseClock("cpu");
  const { infer, train } = await SIDES[name]!.load(folder);
  const logits = await infer();
  let loss: number | null = null;
  for (let step = 0; train && step < 4; step += 1) loss = await train();
  for (let warmUp = 0; warmUp < 20; warmUp += 1) await infer();
  return { infer: await timed(infer), train: train ? await timed(train) : null, facts: [logits, loss] };
}

/** The packages of all sides, installed once beside the peers' environment. */
async function packages(): Promise<string> {
  const folder = join(cacheFolder(), "bench", "neighbours");
  const names = Object.values(SIDES).flatMap((side) => side.packages);
  const note = join(folder, `${names.join("+").replaceAll("/", "~")}.installed`);
  if (existsSync(note)) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  await execute("npm", [
    "install",
    "--prefix",
    folder,
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    ...names,
  ]);
  writeFileSync(note, "");
  return folder;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function report(seen: ReadonlyMap<string, readonly Figures[]>): void {
  const [reference] = seen.values();
  const [logits, loss] = reference![0]!.facts;
  for (const [name, each] of seen) {
    const [ownLogits, ownLoss] = each[0]!.facts;
    const isSame = Math.abs(ownLogits / logits - 1) < 1e-3 && Math.abs((ownLoss ?? loss!) / loss! - 1) < 1e-3;
    if (!isSame)
      throw new Error(`${name} computes something else: ${each[0]!.facts}, not ${reference![0]!.facts}.`);
    const cost = (of: "infer" | "train") => {
      const values = each.flatMap((figure) => figure[of] ?? []);
      if (values.length === 0) return "–".padStart(18);
      const ratio = median(each.map((figure, i) => figure[of]! / reference![i]![of]!));
      return `${median(values).toFixed(2)} ms (${ratio.toFixed(2)})`.padStart(18);
    };
    console.log(`${name.padEnd(22)} inference ${cost("infer")}   training step ${cost("train")}`);
  }
}

const [chosen, folderOfChosen] = process.argv.slice(2);
if (chosen !== undefined) {
  console.log(JSON.stringify(await figures(chosen, folderOfChosen!)));
  process.exit(0); // some libraries keep workers
}
const folder = await packages();
const peer = await startPeer(cacheFolder(), "cpu", (line) => console.error(line));
const python = async (what: "infer" | "train", steps: number) => {
  const facts = await peer.prepare("mlp", { sizes: SIZES, batch: BATCH, lr: LR, what });
  await peer.run(20);
  return { facts, cost: await peer.run(steps) };
};
const seen = new Map<string, Figures[]>([...Object.keys(SIDES), "Python's torch"].map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const name of Object.keys(SIDES)) {
    const script = [...process.execArgv, fileURLToPath(import.meta.url), name, folder];
    const output = execFileSync(process.execPath, script, { encoding: "utf8" });
    seen.get(name)!.push(JSON.parse(output.trim().split("\n").at(-1)!) as Figures);
  }
  const [infer, train] = [await python("infer", 500), await python("train", 200)];
  const facts = [Number(infer.facts.logits), Number(train.facts.loss)] as const;
  seen.get("Python's torch")!.push({ infer: infer.cost, train: train.cost, facts });
}
peer.close();
report(seen);
