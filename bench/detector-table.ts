/**
 * Detectors (rows) by arms (columns) of finished studies, as Markdown: mean AUROC in percent over the seeds.
 *
 *   node --import tsx --conditions=source bench/detector-table.ts RUN… [--unit object] [--role far]
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals: runs } = parseArgs({
  allowPositionals: true,
  options: {
    unit: { type: "string", default: "photo" },
    role: { type: "string", default: "near" },
  },
});

interface Column {
  readonly title: string;
  readonly accuracy: number;
  readonly byDetector: ReadonlyMap<string, number>;
}

const columns = (await Promise.all(runs.map(columnsOf))).flat();
const detectors = [...new Set(columns.flatMap(({ byDetector }) => [...byDetector.keys()]))];
const percent = (value: number | undefined) => (value === undefined ? "" : (100 * value).toFixed(1));
const best = columns.map(({ byDetector }) => Math.max(...byDetector.values()));
const lines = [
  ["", ...columns.map(({ title }) => title)],
  ["---", ...columns.map(() => "---")],
  ["accuracy", ...columns.map(({ accuracy }) => percent(accuracy))],
  ...detectors.map((detector) => [
    detector,
    ...columns.map(({ byDetector }, index) => {
      const value = byDetector.get(detector);
      return value === best[index] ? `**${percent(value)}**` : percent(value);
    }),
  ]),
];
console.log(lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n"));

async function columnsOf(run: string): Promise<Column[]> {
  const outcome = JSON.parse(await readFile(join(run, "report.json"), "utf8"));
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const views = values.unit === "photo" ? "single" : "features";
  return outcome.arms.map(({ name, title }: { name: string; title: string }): Column => {
    const own = outcome.results.filter(
      (line: { arm: string; unit: string }) => line.arm === name && line.unit === values.unit,
    );
    const tested = own.filter(
      (line: { kind: string; part: string; role: string; unknownClass: string | null }) =>
        line.kind === "unknowns" &&
        line.part === "test" &&
        line.role === values.role &&
        line.unknownClass === null,
    );
    const byDetector = new Map<string, number>();
    for (const { detector } of tested) {
      const lines = tested.filter((line: { detector: string }) => line.detector === detector);
      const chosen = lines.filter((line: { views: string }) => line.views === views);
      const used =
        chosen.length > 0 ? chosen : lines.filter((line: { views: string }) => line.views === "mean");
      byDetector.set(detector, mean(used.map((line: { auroc: number }) => line.auroc)));
    }
    const accuracy = mean(
      own.flatMap((line: { kind: string; accuracy: number }) =>
        line.kind === "classification" ? [line.accuracy] : [],
      ),
    );
    return { title: `${title} (${outcome.name})`, accuracy, byDetector };
  });
}
