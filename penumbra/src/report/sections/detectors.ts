import type { Outcome, ResultLine, TrialResult, UnknownRole, UnknownsResult } from "../../results/index.ts";
import { linesChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { counted, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { armClass, armLegend, average } from "./arms.ts";
import type { Section } from "./section.ts";

const ROLE_TITLES: Readonly<Record<UnknownRole, string>> = { near: "Near unknowns", far: "Far unknowns" };

const VIEW_TITLES = {
  features: "their features' mean",
  mean: "their scores' mean",
  worst: "the least known view",
} as const;
type Views = keyof typeof VIEW_TITLES;

/** Every detector in every arm, the curves and the operating point of the chosen one, and what was tried. */
export const detectors: Section = {
  name: "detectors",
  navigation: "Detectors",
  title: () => "The detectors",
  isShown: ({ results }) => results.some((line) => isMean(line) && line.part === "test"),
  render(outcome) {
    const chosen = titleOf(outcome.detectors, outcome.detector);
    return html`<p>AUROC in % on test photos, mean over ${counted(outcome.seeds.length, "seed")}: 50 is chance, 100 perfect. ${chosen} is the one that the answer is about; bold is the best of an arm. A click on a heading sorts.</p>
${(["near", "far"] as const).map((role) => detectorTable(outcome, role))}
${operatingTable(outcome)}
${armLegend(outcome)}
<div class="grid">${rocChart(outcome, "near")}${rocChart(outcome, "far")}${riskChart(outcome)}</div>
${viewsTable(outcome)}
${trialsTable(outcome)}`;
  },
};

function isMean(line: ResultLine): line is UnknownsResult {
  return line.kind === "unknowns" && line.unknownClass === null;
}

function detectorTable(outcome: Outcome, role: UnknownRole): Html | null {
  const lines = outcome.results
    .filter(isMean)
    .filter((line) => line.part === "test" && line.role === role && line.unit === outcome.unit);
  if (lines.length === 0) return null;
  const rows = outcome.detectors.map(({ name, title }) => ({
    ...{ name, title },
    values: outcome.arms.map((arm) =>
      average(
        lines.filter((line) => line.detector === name && line.arm === arm.name).map(({ auroc }) => auroc),
      ),
    ),
  }));
  const best = outcome.arms.map((_, place) =>
    percent(Math.max(...rows.map(({ values }) => values[place] as number))),
  );
  return html`<h3>${ROLE_TITLES[role]}</h3><div class="scroll" tabindex="0" role="region" aria-label="${ROLE_TITLES[role]} by detector"><table class="plain sortable detectors"><thead><tr><th scope="col">Detector</th>${outcome.arms.map((arm) => html`<th scope="col" class="number">${arm.title}</th>`)}</tr></thead>
<tbody>${rows.map(
    ({ name, title, values }) =>
      html`<tr${name === outcome.detector && html` class="chosen"`}><th scope="row">${title}${name === outcome.detector && html` <span class="tag">chosen</span>`}</th>${values.map((value, place) => html`<td class="number">${percent(value) === best[place] ? html`<b>${percent(value)}</b>` : percent(value)}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

/** What each arm does with its threshold set for use. */
function operatingTable({
  operatingPoints,
  arms,
  confidence,
  detectors: names,
  detector,
}: Outcome): Html | null {
  const [first] = operatingPoints;
  if (!first) return null;
  const columns = (["known", "near", "far"] as const).filter((side) =>
    operatingPoints.some((point) => point[side] !== null),
  );
  const titles = { known: "known kept %", near: "near unknowns flagged %", far: "far unknowns flagged %" };
  return html`<h3>With the threshold set for use</h3>
<p>${titleOf(names, detector)} with the threshold that keeps ${percent(first.keep, 0)} % of the known validation photos, on the test; ${percent(confidence, 0)} % intervals over the objects of both.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Operating points"><table class="plain sortable operating"><thead><tr><th scope="col">Arm</th>${columns.map((side) => html`<th scope="col" class="number">${titles[side]}</th>`)}</tr></thead>
<tbody>${operatingPoints.map(
    (point) =>
      html`<tr><th scope="row"><span class="swatch ${armClass({ arms }, point.arm)}"></span>${titleOf(arms, point.arm)}</th>${columns.map(
        (side) => {
          const share = point[side];
          if (!share) return html`<td></td>`;
          const { mean, interval } = share;
          return html`<td class="number">${percent(mean)}${interval && html` <span class="range">${percent(interval.low)} to ${percent(interval.high)}</span>`}</td>`;
        },
      )}</tr>`,
  )}</tbody></table></div>`;
}

function rocChart(outcome: Outcome, role: UnknownRole): Html | null {
  const lines = outcome.rateCurves.flatMap((curve) => {
    const points = curve[role];
    return points ? [{ ...lineOf(outcome, curve.arm), points }] : [];
  });
  if (lines.length === 0) return null;
  return html`<figure><figcaption>Known kept over ${role} unknowns let through (ROC), ${titleOf(outcome.detectors, outcome.detector)}</figcaption>${linesChart(
    lines,
    {
      title: `ROC, ${role} unknowns`,
      xLabel: "share of unknowns let through",
      yLabel: "share of known kept",
    },
  )}</figure>`;
}

function riskChart(outcome: Outcome): Html | null {
  const lines = outcome.rateCurves.map((curve) => ({ ...lineOf(outcome, curve.arm), points: curve.risk }));
  if (lines.length === 0) return null;
  return html`<figure><figcaption>Wrong names over answers given, the surest first (risk over coverage)</figcaption>${linesChart(
    lines,
    { title: "Risk over coverage", xLabel: "share of known photos answered", yLabel: "share that is wrong" },
  )}</figure>`;
}

function lineOf(outcome: Outcome, arm: string) {
  return { title: titleOf(outcome.arms, arm), className: armClass(outcome, arm) };
}

/** Where objects have several views: what they become one by, mean over arms and seeds. */
function viewsTable(outcome: Outcome): Html | null {
  const lines = outcome.results
    .filter(isMean)
    .filter((line) => line.unit === "object" && line.part === "test");
  if (lines.length === 0) return null;
  const roles = (["near", "far"] as const).filter((role) => lines.some((line) => line.role === role));
  const columns = roles.flatMap((role) =>
    (Object.keys(VIEW_TITLES) as Views[]).map((views) => ({ role, views })),
  );
  return html`<details><summary>By object: three ways to read its views</summary><p>AUROC in %, mean over arms and seeds.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Objects"><table class="plain sortable"><thead><tr><th scope="col">Detector</th>${columns.map(({ role, views }) => html`<th scope="col" class="number">${role}, ${VIEW_TITLES[views]}</th>`)}</tr></thead>
<tbody>${outcome.detectors.map(
    ({ name, title }) =>
      html`<tr><th scope="row">${title}</th>${columns.map(({ role, views }) => {
        const own = lines.filter(
          (line) => line.detector === name && line.role === role && line.views === views,
        );
        return html`<td class="number">${own.length > 0 && percent(average(own.map(({ auroc }) => auroc)))}</td>`;
      })}</tr>`,
  )}</tbody></table></div></details>`;
}

/** Every candidate for a detector's settings. */
function trialsTable(outcome: Outcome): Html | null {
  const lines = outcome.results.filter(
    (line): line is TrialResult => line.kind === "trial" && line.unit === outcome.unit,
  );
  const [first] = lines;
  if (!first) return null;
  const groups = new Map<string, TrialResult[]>();
  for (const line of lines) {
    const key = JSON.stringify([line.detector, line.options]);
    groups.set(key, [...(groups.get(key) ?? []), line]);
  }
  return html`<details><summary>What was tried for each detector</summary><p>${TRIAL_WORDS[String(first.chosenBy)]} A candidate is chosen anew in every arm at every seed.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Candidates"><table class="plain sortable"><thead><tr><th scope="col">Detector</th><th scope="col">Candidate</th><th scope="col" class="number">AUROC %</th><th scope="col" class="number">chosen</th></tr></thead>
<tbody>${[...groups.values()].map((group) => {
    const [{ detector, options }] = group as [TrialResult];
    const values = group.flatMap(({ auroc }) => (auroc === null ? [] : [auroc]));
    return html`<tr><th scope="row">${titleOf(outcome.detectors, detector)}</th><td>${optionsText(options)}</td><td class="number">${values.length > 0 && percent(average(values))}</td><td class="number">${group.filter(({ isChosen }) => isChosen).length} of ${group.length}</td></tr>`;
  })}</tbody></table></div></details>`;
}

const TRIAL_WORDS: Readonly<Record<string, string>> = {
  validation:
    "Mean AUROC over arms and seeds of the known validation photos against the validation unknowns.",
  standIns:
    "The photos have no near unknown classes to spare for choices. Mean AUROC over arms and seeds of the known validation photos against images that stand in for unknowns: near-OOD redraws, where there are any, and known validation photos as jigsaws and mixed with photos of other classes (CutMix), each kind with the same say.",
  null: "There was nothing to choose by: the first candidate was taken.",
};

function optionsText(options: Readonly<Record<string, unknown>>): string {
  return Object.entries(options)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}
