import type { ClassificationResult, Outcome, ResultLine, UnknownsResult } from "../../results/index.ts";
import { dotsChart, extent } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { counted, percent } from "../numbers.ts";
import { ARM_COLOURS } from "../style.ts";
import { titleOf } from "../titles.ts";
import { measuresTable } from "./measures-table.ts";
import type { Section } from "./section.ts";

interface Column {
  readonly title: string;
  readonly isHigherBetter: boolean;
  readonly value: (line: ResultLine) => number | undefined;
}

const isClassification = (line: ResultLine, unit: string): line is ClassificationResult =>
  line.kind === "classification" && line.unit === unit;

const isUnknowns = (line: ResultLine, unit: string, role: string): line is UnknownsResult =>
  line.kind === "unknowns" &&
  line.unit === unit &&
  line.role === role &&
  line.part === "test" &&
  line.unknownClass === null;

/** Values of a column for an arm, one a seed. */
function valuesOf(outcome: Outcome, arm: string, column: Column): number[] {
  return outcome.results
    .filter((line) => line.arm === arm)
    .flatMap((line) => {
      const value = column.value(line);
      return value === undefined ? [] : [value];
    });
}

/** The mean of values; NaN of none. */
export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function table(outcome: Outcome, columns: readonly Column[]): Html {
  const cells = columns.map((column) => outcome.arms.map((arm) => valuesOf(outcome, arm.name, column)));
  const shown = columns
    .map((column, index) => ({ column, values: cells[index]! }))
    .filter(({ values }) => values.some((list) => list.length > 0));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Arms"><table class="arms">
<thead><tr><th scope="col">Arm</th>${shown.map(({ column }) => html`<th scope="col" class="number">${column.title}</th>`)}</tr></thead>
<tbody>${outcome.arms.map(
    (
      arm,
      row,
    ) => html`<tr><th scope="row"><span class="swatch ${armClass(outcome, arm.name)}"></span>${arm.title}</th>
${shown.map(({ column, values }) => {
  const own = values[row]!;
  const means = values.map(average).filter(Number.isFinite);
  const best = column.isHigherBetter ? Math.max(...means) : Math.min(...means);
  const isBest = means.length > 1 && percent(average(own)) === percent(best);
  const title = `${arm.title}, ${column.title}: ${own.map((value) => percent(value)).join(", ")}`;
  return html`<td class="number">${isBest ? html`<b>${percent(average(own))}</b>` : percent(average(own))}
${dotsChart(own, { title, className: armClass(outcome, arm.name), domain: extent(values.flat()) })}</td>`;
})}</tr>`,
  )}</tbody></table></div>`;
}

/** CSS class with the colour of an arm, by its place among the arms. */
export function armClass({ arms }: Pick<Outcome, "arms">, arm: string): string {
  return `arm-${arms.findIndex(({ name }) => name === arm) % ARM_COLOURS.length}`;
}

/** Whose colour is whose, above charts of all arms. */
export function armLegend(outcome: Outcome): Html {
  return html`<p class="legend">${outcome.arms.map(({ name, title }) => html`<span><span class="swatch ${armClass(outcome, name)}"></span>${title}</span> `)}</p>`;
}

/** Longer tables are read by programs. */
const MOST_UNKNOWN_CLASSES = 30;

function classTable(outcome: Outcome): Html | null {
  const lines = outcome.results.filter(
    (line): line is UnknownsResult =>
      line.kind === "unknowns" &&
      line.part === "test" &&
      line.unit === outcome.unit &&
      line.detector === outcome.detector &&
      line.unknownClass !== null,
  );
  const byClass = new Map<string, UnknownsResult[]>();
  for (const line of lines) {
    const key = `${line.role} ${line.unknownClass}`;
    const own = byClass.get(key);
    if (own) own.push(line);
    else byClass.set(key, [line]);
  }
  if (byClass.size === 0) return null;
  const aurocOf = (own: readonly UnknownsResult[]) => average(own.map(({ auroc }) => auroc));
  const isCut = byClass.size > MOST_UNKNOWN_CLASSES;
  const classes = isCut
    ? [...byClass.values()].sort((a, b) => aurocOf(a) - aurocOf(b)).slice(0, MOST_UNKNOWN_CLASSES)
    : [...byClass.values()];
  return html`<h4>${isCut ? `The ${MOST_UNKNOWN_CLASSES} unknown classes of ${byClass.size} that look most known` : "Every unknown class"}: AUROC of ${titleOf(outcome.detectors, outcome.detector)} in %, mean over seeds</h4>
<div class="scroll" tabindex="0" role="region" aria-label="Unknown classes"><table class="plain"><thead><tr><th scope="col">Unknown class</th>${outcome.arms.map((arm) => html`<th scope="col" class="number">${arm.title}</th>`)}</tr></thead>
<tbody>${classes.map(
    (own) =>
      html`<tr><th scope="row"><span class="tag ${own[0]!.role}">${own[0]!.role}</span> <span class="id">${own[0]!.unknownClass}</span></th>${outcome.arms.map(
        (arm) =>
          html`<td class="number">${percent(aurocOf(own.filter((line) => line.arm === arm.name)))}</td>`,
      )}</tr>`,
  )}</tbody></table></div>${isCut && html`<p>results.jsonl has all.</p>`}`;
}

/** The arms side by side: a mean and a dot per seed; the unknown classes behind a fold. */
export const arms: Section = {
  name: "arms",
  navigation: "Arms",
  title: () => "The arms",
  isShown: ({ results }) => results.length > 0,
  render(outcome) {
    const unknownClasses = classTable(outcome);
    return html`<p>Means over ${counted(outcome.seeds.length, "seed")} on test photos that nothing was chosen by; a dot is one seed, bold the best mean. AUROC: 50 is chance, 100 perfect. FPR95: share of unknowns let through where 95 % of the known are kept (<code>fpr95IdPositive</code>); lower is better, as is ECE, the gap between confidence and accuracy.</p>
${table(outcome, columnsOf(outcome))}
<details><summary>What each arm is</summary><ul>${outcome.arms.map(({ title, description }) => html`<li><b>${title}</b>: ${description}.</li>`)}</ul></details>
${unknownClasses && html`<details><summary>Unknown classes</summary>${unknownClasses}</details>`}
<details><summary>Every measure</summary>${measuresTable(outcome)}</details>`;
  },
};

/** The figures of the table, from left to right; one that no arm has is left out. */
function columnsOf({ results, unit, detector }: Outcome): Column[] {
  const other = unit === "photo" ? "object" : "photo";
  // Where the classes have equally many test photos the two are the same.
  const isUnequal = results.some(
    (line) => isClassification(line, unit) && Math.abs(line.balancedAccuracy - line.accuracy) > 1e-9,
  );
  return [
    {
      title: "Accuracy %",
      isHigherBetter: true,
      value: (line) => (isClassification(line, unit) ? line.accuracy : undefined),
    },
    {
      title: "Accuracy %, mean of classes",
      isHigherBetter: true,
      value: (line) => (isUnequal && isClassification(line, unit) ? line.balancedAccuracy : undefined),
    },
    {
      title: other === "object" ? "Accuracy %, views fused" : "Accuracy %, single photos",
      isHigherBetter: true,
      value: (line) => (isClassification(line, other) ? line.accuracy : undefined),
    },
    ...(["near", "far"] as const).flatMap((role): Column[] => [
      {
        title: `${role === "near" ? "Near" : "Far"} AUROC %`,
        isHigherBetter: true,
        value: (line) =>
          isUnknowns(line, unit, role) && line.detector === detector ? line.auroc : undefined,
      },
      {
        title: `${role === "near" ? "Near" : "Far"} FPR95 %`,
        isHigherBetter: false,
        value: (line) =>
          isUnknowns(line, unit, role) && line.detector === detector ? line.fpr95IdPositive : undefined,
      },
    ]),
    {
      title: "ECE %",
      isHigherBetter: false,
      value: (line) => (isClassification(line, unit) ? line.ece : undefined),
    },
  ];
}
