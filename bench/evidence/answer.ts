/**
 * What a finished study says, as Markdown: its arms, its hypotheses and every question about images, in percent and points.
 *
 *   node --import tsx --conditions=source bench/evidence/answer.ts RUN [--also mahalanobis]
 *
 * Near: AUROC of the detector that the study chose and, with --also, of another one; by photo, by object in brackets.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Comparison, Difference, Outcome, Unit } from "../../penumbra/src/results/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { also: { type: "string" } },
});
const [run] = positionals;
if (run === undefined) throw new Error("Name the folder of a finished study.");
const outcome: Outcome = JSON.parse(await readFile(join(run, "report.json"), "utf8"));
const hasObjects = outcome.results.some(({ unit }) => unit === "object");

const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
const percent = (value: number) => (100 * value).toFixed(1);
const points = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;

console.log(`${outcome.name}, seeds ${outcome.seeds.join(", ")}. ${outcome.detectorReason}\n`);
const detectors = [outcome.detector, ...(values.also === undefined ? [] : [values.also])];
table(
  ["arm", "accuracy", ...detectors.map((detector) => `near, ${detector}`)],
  outcome.arms.map(({ name, title }) => [
    title,
    byUnit((unit) => percent(accuracyOf(name, unit))),
    ...detectors.map((detector) => byUnit((unit) => percent(nearOf(name, unit, detector)))),
  ]),
);
table(
  ["hypothesis", "difference", "interval", "p (Holm)", "verdict"],
  outcome.hypotheses.map((item) => [
    `${item.name}: ${item.treatment.join(", ")} against ${item.control.join(", ")}`,
    ...difference(item),
    item.adjustedPValue === null ? "" : item.adjustedPValue.toPrecision(2),
    item.verdict,
  ]),
);
table(
  ["question", "accuracy", "", "near", ""],
  outcome.questions.map(({ name }) => [
    name,
    ...(["accuracy", "near"] as const).flatMap((figure) => {
      const found = (unit: Unit) =>
        outcome.comparisons.find(
          (item: Comparison) => item.question === name && item.outcome === figure && item.unit === unit,
        );
      const cells = (["photo", "object"] as const).flatMap((unit) => found(unit) ?? []).map(difference);
      return [cells.map(([value]) => value).join(" / "), cells.map(([, range]) => range).join(" / ")];
    }),
  ]),
);

function difference({ mean: value, interval }: Difference): [string, string] {
  return [points(value), interval ? `${points(interval.low)} to ${points(interval.high)}` : ""];
}

function byUnit(text: (unit: Unit) => string): string {
  return hasObjects ? `${text("photo")} (${text("object")})` : text("photo");
}

function accuracyOf(arm: string, unit: Unit): number {
  return mean(
    outcome.results.flatMap((line) =>
      line.kind === "classification" && line.arm === arm && line.unit === unit ? [line.accuracy] : [],
    ),
  );
}

function nearOf(arm: string, unit: Unit, detector: string): number {
  const lines = outcome.results.flatMap((line) =>
    line.kind === "unknowns" &&
    line.part === "test" &&
    line.role === "near" &&
    line.unknownClass === null &&
    line.arm === arm &&
    line.unit === unit &&
    line.detector === detector
      ? [line]
      : [],
  );
  const fused = lines.filter(({ views }) => views === "features");
  return mean(
    (fused.length > 0 ? fused : lines.filter(({ views }) => views !== "worst")).map(({ auroc }) => auroc),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [head, head.map(() => "---"), ...rows];
  console.log(`${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`);
}
