import type { ClassificationResult, Outcome, UnknownsResult } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { fixed, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";

/** What is told of a measure: its name, its value of a seed, and how its mean is written. */
type Measure<Line> = readonly [
  title: string,
  value: (line: Line) => number,
  write?: (mean: number) => string,
];

const decimals = (mean: number) => fixed(mean, 3);

const OF_NAMES: readonly Measure<ClassificationResult>[] = [
  ["accuracy %", ({ accuracy }) => accuracy],
  ["accuracy %, mean of classes", ({ balancedAccuracy }) => balancedAccuracy],
  ["among the five likeliest %", ({ top5 }) => top5],
  ["macro F1 %", ({ macroF1 }) => macroF1],
  ["log loss, nats", ({ nll }) => nll, decimals],
  ["Brier", ({ brier }) => brier, decimals],
  ["ECE %", ({ ece }) => ece],
  ["ECE %, mean of classes", ({ classwiseEce }) => classwiseEce],
  ["ECE %, bins of equally many", ({ adaptiveEce }) => adaptiveEce],
  ["AURC %", ({ aurc }) => aurc],
];

const OF_UNKNOWNS: readonly Measure<UnknownsResult>[] = [
  ["AUROC %", ({ auroc }) => auroc],
  ["AUPR of known %", ({ auprIn }) => auprIn],
  ["AUPR of unknown %", ({ auprOut }) => auprOut],
  ["unknown let through where 95 % of known are kept %", ({ fpr95IdPositive }) => fpr95IdPositive],
  ["known flagged where 95 % of unknown are %", ({ fpr95OodPositive }) => fpr95OodPositive],
  ["OSCR %", ({ oscr }) => oscr],
  ["CCR where 10 % of unknown are let through %", ({ ccrAtFpr10 }) => ccrAtFpr10],
  ["CCR where 1 % of unknown are let through %", ({ ccrAtFpr1 }) => ccrAtFpr1],
];

/** Every measure of the arms on test photos: means over the seeds, of unknowns by the detector of the answer. */
export function measuresTable({ results, unit, detector, detectors, arms }: Outcome): Html {
  const names = results.filter(
    (line): line is ClassificationResult => line.kind === "classification" && line.unit === unit,
  );
  const unknowns = results.filter(
    (line): line is UnknownsResult =>
      line.kind === "unknowns" &&
      line.unit === unit &&
      line.part === "test" &&
      line.unknownClass === null &&
      line.detector === detector,
  );
  const roles = (["near", "far"] as const).map((role) => ({
    role,
    lines: unknowns.filter((line) => line.role === role),
  }));
  return html`<p>Means over the seeds on test photos; near and far unknowns by ${titleOf(detectors, detector)}. CCR: share of the known that are named rightly and not flagged; OSCR: its mean over all shares of unknowns let through; AURC: mean share of wrong names over all shares of answers given, the surest first.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Measures"><table class="plain"><thead><tr><th scope="col">Figure</th>${arms.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}</tr></thead>
<tbody>${rowsOf(OF_NAMES, names, arms)}${roles.map(({ role, lines }) => rowsOf(OF_UNKNOWNS, lines, arms, html`<span class="tag ${role}">${role}</span> `))}</tbody></table></div>`;
}

function rowsOf<Line extends { readonly arm: string }>(
  measures: readonly Measure<Line>[],
  lines: readonly Line[],
  arms: Outcome["arms"],
  before: Html | null = null,
): Html[] {
  if (lines.length === 0) return [];
  return measures.map(([title, value, write = percent]) => {
    const cells = arms.map(({ name }) => {
      const own = lines.filter(({ arm }) => arm === name).map(value);
      const mean = own.reduce((sum, next) => sum + next, 0) / own.length;
      return html`<td class="number">${own.length > 0 && write(mean)}</td>`;
    });
    return html`<tr><th scope="row">${before}${title}</th>${cells}</tr>`;
  });
}
