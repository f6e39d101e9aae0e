import { resolve } from "node:path";
import { writeFileAtomic } from "../files/index.ts";
import type { Language, Outcome, ResultLine } from "../results/index.ts";
import { Html, html } from "./html.ts";
import { counted, percent } from "./numbers.ts";
import { average } from "./sections/arms.ts";
import { hypothesisTitle, isSameHypothesis } from "./sections/hypotheses.ts";
import { hypothesisCell } from "./sections/verdicts.ts";
import { SORT_TABLES } from "./sort-tables.ts";
import { styleSheet } from "./style.ts";
import { titleOf } from "./titles.ts";
import { spokenLanguage, withLanguage } from "./words/index.ts";
import { ReportError, readOutcome } from "./write.ts";

/** A finished study, and what it is called beside others. */
export interface ComparedRun {
  readonly title: string;
  readonly outcome: Outcome;
}

/**
 * Puts several finished studies onto one page and writes it to `path`; returns the path.
 *
 * @throws ReportError with fewer than two runs, or where one holds no finished study
 */
export async function writeComparison(
  runs: readonly string[],
  path: string,
  language?: Language,
): Promise<string> {
  if (runs.length < 2) throw new ReportError("A comparison needs at least two run folders.");
  const outcomes = await Promise.all(runs.map(readOutcome));
  const names = outcomes.map(({ name }) => name);
  const isTold = new Set(names).size === names.length;
  const compared = outcomes.map((outcome, index) => ({
    title: isTold ? outcome.name : (runs[index] as string),
    outcome,
  }));
  await writeFileAtomic(
    path,
    withLanguage(language ?? commonLanguage(outcomes), () => renderComparison(compared)),
  );
  return resolve(path);
}

/** The language that all studies are written in; English where they are not of one. */
function commonLanguage(outcomes: readonly Outcome[]): Language {
  const [first = "en", ...others] = new Set(outcomes.map(({ language }) => language));
  return others.length === 0 ? first : "en";
}

/** Several studies on one self-contained page: their arms in one table, their hypotheses, and in what they differ. */
export function renderComparison(runs: readonly ComparedRun[]): string {
  const page = html`<!doctype html>
<html lang="${spokenLanguage()}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${runs.map(({ title }) => title).join(", ")}: Penumbra studies</title><style>${new Html(styleSheet)}</style></head>
<body><main>
<header><h1>${counted(runs.length, "study", "studies")} side by side</h1>
<nav aria-label="Sections"><a href="#arms">Arms</a><a href="#hypotheses">Hypotheses</a><a href="#settings">Settings</a></nav></header>
<section id="arms"><h2>The arms</h2>
<p>Means over seeds on test photos; objects are those of each class that were learned from. Figures of different studies are not paired: other photos, splits or trainings stand behind them, so only differences within a study (below) carry intervals. A click on a heading sorts.</p>
${armsTable(runs)}</section>
<section id="hypotheses"><h2>What each study says to the hypotheses</h2>${hypothesesTable(runs)}
<p>Differences in points with intervals over seeds and test objects; verdicts by p-values that each study corrects for the number of its own hypotheses (Holm), not for the number of studies.</p></section>
<section id="settings"><h2>In what they differ</h2>
<p>Lines of each configuration that not all of them have.</p>
${runs.map((run, index) => html`<h3>${run.title}</h3><pre>${ownLines(runs, index).join("\n") || "nothing of its own"}</pre>`)}</section>
<footer>The same numbers as data: results.jsonl and report.json in each run folder.</footer>
</main><script type="module">${new Html(SORT_TABLES)}</script></body></html>
`;
  return page.text;
}

const COLUMNS = [
  { title: "Accuracy %", unit: "photo", figure: accuracy },
  { title: "Accuracy %, by object", unit: "object", figure: accuracy },
  { title: "Near AUROC %", unit: "photo", figure: unknowns("near") },
  { title: "Near AUROC %, by object", unit: "object", figure: unknowns("near") },
  { title: "Far AUROC %", unit: "photo", figure: unknowns("far") },
] as const;

function accuracy(line: ResultLine): number | undefined {
  return line.kind === "classification" ? line.accuracy : undefined;
}

function unknowns(role: "near" | "far") {
  return (line: ResultLine, detector: string): number | undefined =>
    line.kind === "unknowns" &&
    line.part === "test" &&
    line.role === role &&
    line.detector === detector &&
    line.unknownClass === null &&
    (line.views === "single" || line.views === "features")
      ? line.auroc
      : undefined;
}

function armsTable(runs: readonly ComparedRun[]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Arms of all studies"><table class="plain sortable">
<thead><tr><th scope="col">Study</th><th scope="col">Arm</th><th scope="col">Detector</th><th scope="col" class="number">Seeds</th><th scope="col" class="number">Objects</th>${COLUMNS.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}</tr></thead>
<tbody>${runs.flatMap(({ title, outcome }) =>
    armRows(outcome).map(({ arm, shots, results }) => {
      const cells = COLUMNS.map(({ unit, figure }) => {
        const values = results.flatMap((line) => {
          if (line.arm !== arm.name || line.unit !== unit) return [];
          const value = figure(line, outcome.detector);
          return value === undefined ? [] : [value];
        });
        return html`<td class="number">${values.length > 0 && percent(average(values))}</td>`;
      });
      return html`<tr><th scope="row">${title}</th><td>${arm.title}</td><td>${titleOf(outcome.detectors, outcome.detector)}</td><td class="number">${outcome.seeds.length}</td><td class="number">${shots}</td>${cells}</tr>`;
    }),
  )}</tbody></table></div>`;
}

/** Every arm with every number of objects to learn from, those of the answer first. */
function armRows({ arms, results, training, otherShots }: Outcome) {
  const all = [{ shots: training.shots, results }, ...otherShots];
  return arms.flatMap((arm) => all.map((of) => ({ arm, shots: of.shots, results: of.results })));
}

function hypothesesTable(runs: readonly ComparedRun[]): Html {
  const all = runs.flatMap(({ outcome }) => outcome.hypotheses.map((item) => ({ item, outcome })));
  const asked = all.filter(
    ({ item }, place) => !all.slice(0, place).some((earlier) => isSameHypothesis(earlier.item, item)),
  );
  if (asked.length === 0) return html`<p>None of these studies has the arms that test one.</p>`;
  const rows = asked.map(({ item: { name, objective }, item, outcome }) => {
    const found = runs.map((run) => run.outcome.hypotheses.find((one) => isSameHypothesis(one, item)));
    const words = hypothesisTitle(item, { ...outcome, hypotheses: [] });
    const cells = found.map((one) => html`<td>${one && hypothesisCell(one)}</td>`);
    return html`<tr><th scope="row"><b>${name}</b> ${words} (${titleOf(outcome.objectives, objective)})</th>${cells}</tr>`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Hypotheses of all studies"><table>
<thead><tr><th scope="col">Hypothesis</th>${runs.map(({ title }) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

/** Lines of a run's configuration that some other run lacks, without comments. */
function ownLines(runs: readonly ComparedRun[], index: number): string[] {
  const lines = runs.map(({ outcome }) =>
    outcome.configuration
      .split("\n")
      .map((line) => line.replace(/(^|\s)#.*$/, "").trimEnd())
      .filter((line) => line.trim() !== ""),
  );
  const own = lines[index] as string[];
  return own.filter((line) => lines.some((other) => !other.includes(line)));
}
