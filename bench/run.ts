// `npm run bench [-- NAME…] [--json] [--rounds N] [--clock wall|cpu]`: each measure beside its peer in Python, in turns.
// `--clock cpu` with OMP_NUM_THREADS=1 gives usable ratios on a busy machine; what is reported is measured on a quiet one.
import { parseArgs } from "node:util";
import * as torch from "@penumbra/torch";
import { cacheFolder } from "@penumbra/torch/library";
import { type Clock, chooseClock } from "./clock.ts";
import { compare, type Measure, type Result } from "./measure.ts";
import { MEASURES } from "./measures.ts";
import { startPeer } from "./peer.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "9" },
    clock: { type: "string", default: "wall" },
  },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const unknown = positionals.filter((name) => !MEASURES.some((measure) => measure.name === name));
if (unknown.length > 0) {
  say(
    `No measure is called ${unknown.join(", ")}. There are: ${MEASURES.map(({ name }) => name).join(", ")}.`,
  );
  process.exit(2);
}

const clock: Clock = values.clock === "cpu" ? "cpu" : "wall";
chooseClock(clock);
const chosen = MEASURES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const peer = await startPeer(cacheFolder(), clock, say);
say(
  `libtorch ${torch.version()} on ${torch.cpuFeatures().model}, ${torch.getNumThreads()} threads, against Python's torch.`,
);
try {
  for (const measure of chosen) {
    const reason = measure.unavailable?.();
    if (reason) {
      say(`${measure.name}: left out, ${reason}`);
      continue;
    }
    const result = await compare(measure, await measure.prepare(peer), Number(values.rounds));
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${readable(result, measure)}\n`);
  }
} finally {
  peer.close();
}

function readable(result: Result, { title, against = "Python" }: Measure): string {
  const cost = (value: number): string => `${value.toPrecision(3)} ${result.unit}`;
  const [low, high] = result.spread.map((ratio) => ratio.toFixed(2));
  const verdict = result.ratio <= result.goal ? `goal ${result.goal} reached` : `goal ${result.goal} missed`;
  const note = result.note ? `; ${result.note}` : "";
  return `${result.name.padEnd(18)} ${result.ratio.toFixed(2)} (${low}–${high})  ours ${cost(result.ours)}, ${against} ${cost(result.peer)}; ${verdict}; ${title}${note}`;
}
