/**
 * A finished study on its validation unknowns alone, as Markdown: the levers are read here, so that the test stays shut.
 *
 *   node --import tsx --conditions=source bench/evidence/levers.ts RUN --against ARM [--detectors mahalanobis,relative-mahalanobis]
 *
 * For each arm and detector the near AUROC by photo (by object in brackets) in %, and the difference to the arm
 * named, paired by seed, with its smallest and largest value. OSCR is of the first detector: it falls where accuracy does.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Outcome, Unit, UnknownsResult } from "../../penumbra/src/results/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    against: { type: "string" },
    detectors: { type: "string", default: "mahalanobis,relative-mahalanobis,multi-layer-mahalanobis" },
  },
});
const [run] = positionals;
if (run === undefined || values.against === undefined)
  throw new Error("Name the folder of a finished study, and with --against the arm to compare with.");
const base = values.against;
const detectors = values.detectors.split(",");
const outcome: Outcome = JSON.parse(await readFile(join(run, "report.json"), "utf8"));

/** One figure of an arm at each seed. */
function perSeed(
  arm: string,
  unit: Unit,
  detector: string,
  figure: (line: UnknownsResult) => number,
): number[] {
  const lines = outcome.results.filter(
    (line): line is UnknownsResult =>
      line.kind === "unknowns" &&
      line.part === "validation" &&
      line.role === "near" &&
      line.unknownClass === null &&
      line.views === (unit === "photo" ? "single" : "features") &&
      line.arm === arm &&
      line.unit === unit &&
      line.detector === detector,
  );
  return outcome.seeds.map((seed) => {
    const line = lines.find((other) => other.seed === seed);
    if (!line) throw new Error(`${run} has no ${detector} of the arm "${arm}" at seed ${seed}, by ${unit}.`);
    return figure(line);
  });
}

const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
const percent = (list: readonly number[]) => (100 * mean(list)).toFixed(1);
const points = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;

const columns = [
  ...detectors.map((detector) => ({
    detector,
    title: `near, ${detector}`,
    figure: (line: UnknownsResult) => line.auroc,
  })),
  ...detectors.slice(0, 1).map((detector) => ({
    detector,
    title: `OSCR, ${detector}`,
    figure: (line: UnknownsResult) => line.oscr,
  })),
];
const rows = outcome.arms.map(({ name, title }) => [
  name === base ? `**${title}**` : title,
  ...columns.map(({ detector, figure }) => {
    const [photo, object] = (["photo", "object"] as const).map((unit) =>
      perSeed(name, unit, detector, figure),
    ) as [number[], number[]];
    const level = `${percent(photo)} (${percent(object)})`;
    if (name === base) return level;
    const reference = perSeed(base, "photo", detector, figure);
    const differences = photo.map((value, index) => value - (reference[index] as number));
    return `${level}; ${points(mean(differences))} (${points(Math.min(...differences))} to ${points(Math.max(...differences))})`;
  }),
]);
const head = ["arm", ...columns.map(({ title }) => title)];
console.log(`${outcome.name}, seeds ${outcome.seeds.join(", ")}, validation unknowns alone.\n`);
console.log([head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n"));
