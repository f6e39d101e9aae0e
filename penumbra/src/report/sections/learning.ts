import type { ArmLevel, Outcome, OutcomeName, Unit } from "../../results/index.ts";
import { outcomes } from "../../results/index.ts";
import { levelsChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { counted, listed, percent } from "../numbers.ts";
import { questionTitle, titleOf } from "../titles.ts";
import { translated } from "../words/index.ts";
import { armClass, armLegend } from "./arms.ts";
import { hypothesisTitle, isSameHypothesis } from "./hypotheses.ts";
import type { Section } from "./section.ts";
import { comparisonCell, hypothesisCell } from "./verdicts.ts";

const TITLES: Readonly<Record<OutcomeName, string>> = {
  accuracy: "Accuracy",
  near: "Near AUROC",
  far: "Far AUROC",
};

/** What every arm does with more and more objects to learn from, and what becomes of the hypotheses. */
export const learning: Section = {
  name: "learning",
  navigation: "Learning curves",
  title: () => "With fewer and more objects to learn from",
  isShown: ({ levels }) => levels.length > 0,
  render(outcome) {
    const { levels, confidence, training, detectors, detector } = outcome;
    const shots = shotsIn(outcome);
    const charts = (["photo", "object"] as const).flatMap((unit) =>
      outcomes.flatMap((name) => {
        const own = levels.filter((level) => level.outcome === name && level.unit === unit);
        return own.length === 0 ? [] : [figure(outcome, own, name, unit)];
      }),
    );
    return html`<p>Every arm at every seed learned from ${listed(shots.map(String))} objects of each class; the fewer are among the more, and all are tested on the same objects. Whiskers are ${percent(confidence, 0)} % intervals over seeds and test objects; those of one curve share their test. The detector is ${titleOf(detectors, detector)} throughout, as it was chosen for what the rest of this page is about: ${counted(training.shots, "object")} a class.</p>
${armLegend(outcome)}
<div class="grid wide">${charts}</div>
${levelsTable(outcome, shots)}
${outcome.hypotheses.length > 0 && hypothesesTable(outcome, shots)}
${differencesTable(outcome, shots)}`;
  },
};

/** The numbers of shots of a study, the fewest first. */
export function shotsIn({ training, otherShots }: Outcome): number[] {
  return [training.shots, ...otherShots.map(({ shots }) => shots)].sort((a, b) => a - b);
}

function figure(outcome: Outcome, levels: readonly ArmLevel[], name: OutcomeName, unit: Unit): Html {
  const series = outcome.arms.map((arm) => ({
    title: arm.title,
    className: armClass(outcome, arm.name),
    points: levels
      .filter((level) => level.arm === arm.name)
      .map(({ shots, mean, interval }) => ({
        x: shots,
        y: 100 * mean,
        ...(interval && { low: 100 * Math.max(0, interval.low), high: 100 * Math.min(1, interval.high) }),
      })),
  }));
  const heading = unit === "photo" ? TITLES[name] : `${TITLES[name]}, by object`;
  return html`<figure><figcaption>${heading}</figcaption>${levelsChart(series, {
    title: `Learning curve: ${heading}`,
    xLabel: "objects of each class to learn from",
    yLabel: "%",
  })}</figure>`;
}

function shotsHead(shots: readonly number[], kind: "" | "number"): Html[] {
  return shots.map((count) => html`<th scope="col" class="${kind}">${counted(count, "object")}</th>`);
}

function levelsTable({ levels, arms, unit }: Outcome, shots: readonly number[]): Html {
  const rows = outcomes.flatMap((name) =>
    arms.flatMap((arm) => {
      const own = shots.map((count) =>
        levels.find(
          (level) =>
            level.arm === arm.name && level.outcome === name && level.unit === unit && level.shots === count,
        ),
      );
      if (own.every((level) => level === undefined)) return [];
      return [
        html`<tr><th scope="row">${arm.title}</th><td>${TITLES[name]}</td>${own.map((level) => html`<td class="number">${level && levelText(level)}</td>`)}</tr>`,
      ];
    }),
  );
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Learning curves"><table class="plain sortable">
<thead><tr><th scope="col">Arm</th><th scope="col">Figure, %</th>${shotsHead(shots, "number")}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function levelText({ mean, interval }: ArmLevel): Html {
  if (!interval) return html`<b>${percent(mean)}</b>`;
  const { low, high } = { low: Math.max(0, interval.low), high: Math.min(1, interval.high) };
  return html`<b>${percent(mean)}</b> <span class="range">${percent(low)} – ${percent(high)}</span>`;
}

/** What is found with each number of shots; the answer's own among them. */
function byShots<Item>(
  outcome: Outcome,
  shots: readonly number[],
  find: (of: Pick<Outcome, "hypotheses" | "comparisons">) => Item | undefined,
): (Item | undefined)[] {
  return shots.map((count) => {
    const of = outcome.otherShots.find((other) => other.shots === count) ?? outcome;
    return find(of);
  });
}

function hypothesesTable(outcome: Outcome, shots: readonly number[]): Html {
  return html`<h3>The hypotheses by the number of objects</h3>
<div class="scroll" tabindex="0" role="region" aria-label="Hypotheses by objects to learn from"><table>
<thead><tr><th scope="col">Hypothesis</th>${shotsHead(shots, "")}</tr></thead>
<tbody>${outcome.hypotheses.map((item) => {
    const found = byShots(outcome, shots, ({ hypotheses }) =>
      hypotheses.find((one) => isSameHypothesis(one, item)),
    );
    return html`<tr><th scope="row"><b>${item.name}</b> ${hypothesisTitle(item, outcome)}</th>${found.map((one) => html`<td>${one && hypothesisCell(one)}</td>`)}</tr>`;
  })}</tbody></table></div>
<p>p-values are corrected for the hypotheses of one column (Holm), not for the number of columns: the study's answer is one of them, ${counted(outcome.training.shots, "object")}.</p>`;
}

function differencesTable(outcome: Outcome, shots: readonly number[]): Html | null {
  const rows = outcome.questions.flatMap((question) =>
    outcomes.flatMap((name) => {
      const found = byShots(outcome, shots, ({ comparisons }) =>
        comparisons.find(
          (item) => item.question === question.name && item.outcome === name && item.unit === outcome.unit,
        ),
      );
      if (found.every((item) => item === undefined)) return [];
      return [
        html`<tr><th scope="row">${questionTitle(question, outcome)}</th><td>${TITLES[name]}</td>${found.map((item) => html`<td>${item && comparisonCell(item)}</td>`)}</tr>`,
      ];
    }),
  );
  return rows.length === 0
    ? null
    : html`<details><summary>All questions by the number of objects</summary><div class="scroll" tabindex="0" role="region" aria-label="Questions by objects to learn from"><table>
<thead><tr><th scope="col">Question</th><th scope="col">Figure</th>${shotsHead(shots, "")}</tr></thead><tbody>${rows}</tbody></table></div></details>`;
}

/** The curves as plain lines for a terminal; none with one number of shots. */
export function describeLearning(outcome: Outcome): string[] {
  if (outcome.levels.length === 0) return [];
  const shots = shotsIn(outcome);
  const near = outcome.levels.some((level) => level.outcome === "near");
  const cell = (arm: string, count: number) =>
    (near ? (["accuracy", "near"] as const) : (["accuracy"] as const))
      .map((name) => {
        const level = outcome.levels.find(
          (one) =>
            one.arm === arm && one.shots === count && one.outcome === name && one.unit === outcome.unit,
        );
        return level ? percent(level.mean) : "–";
      })
      .join(" / ");
  const titles = outcome.arms.map(({ name, title }) => ({ name, title: translated(title) }));
  const width = Math.max(20, ...titles.map(({ title }) => title.length + 1));
  return [
    "",
    translated(
      near
        ? "By objects of each class to learn from (accuracy / near AUROC):"
        : "By objects of each class to learn from (accuracy):",
    ),
    `${"".padEnd(width)}${shots.map((count) => String(count).padStart(14)).join("")}`,
    ...titles.map(
      ({ name, title }) =>
        `${title.padEnd(width)}${shots.map((count) => cell(name, count).padStart(14)).join("")}`,
    ),
  ];
}
