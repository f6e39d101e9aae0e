/**
 * What detectors cost beside the rest of a study: processor time of every stage, and of every detector within the
 * scoring. Run into a folder of its own, so that everything is made.
 *
 *   node --import tsx --conditions=source bench/detector-cost.ts STUDY.yaml OUT
 *
 * With `threads: 1` in the study: threads that wait for each other take the processor's time too.
 */
import { study, unknowns } from "penumbra";

const [config, out] = process.argv.slice(2);
if (!config || !out) throw new Error("Usage: bench/detector-cost.ts STUDY.yaml OUT");

/** Seconds of the processor so far, of all threads. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const byDetector = new Map<string, number>();
const byStage = new Map<string, number>();
const add = (sums: Map<string, number>, name: string, seconds: number) =>
  sums.set(name, (sums.get(name) ?? 0) + seconds);

function timed<T>(name: string, fn: () => T): T {
  const before = processorSeconds();
  const result = fn();
  add(byDetector, name, processorSeconds() - before);
  return result;
}

const detectors = Object.fromEntries(
  Object.entries<unknowns.Detector>(unknowns.detectors).map(([name, detector]) => [
    name,
    {
      ...detector,
      fit(known, options) {
        const fitted = timed(name, () => detector.fit(known, options));
        return { ...fitted, score: (samples) => timed(name, () => fitted.score(samples)) };
      },
    } satisfies unknowns.Detector,
  ]),
);
const tables = { ...study.tablesWith({}), detectors };
let last = processorSeconds();
await study.runStudy(study.planStudy(await study.loadConfig(config, tables), out), {
  onEvent: ({ stage }) => {
    const now = processorSeconds();
    add(byStage, stage, now - last);
    last = now;
  },
});

const sum = (seconds: Map<string, number>) => [...seconds.values()].reduce((all, next) => all + next, 0);
for (const [title, seconds] of [
  ["stages", byStage],
  ["detectors", byDetector],
] as const) {
  console.log(`${title}: ${sum(seconds).toFixed(2)} s`);
  for (const [name, own] of [...seconds].sort(([, a], [, b]) => b - a)) {
    console.log(`  ${name.padEnd(24)} ${own.toFixed(2)}`);
  }
}
