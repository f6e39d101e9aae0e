import type { Evaluation, EvaluationReport, Share, UnknownFigures, UnknownRole } from "../results/index.ts";
import { confusionChart, linesChart } from "./charts/index.ts";
import { Html, html } from "./html.ts";
import { counted, fixed, percent } from "./numbers.ts";
import { classList, confusedPairs, MOST_CLASSES, mistakeStrips } from "./sections/mistakes.ts";
import { SORT_TABLES } from "./sort-tables.ts";
import { styleSheet } from "./style.ts";
import { spokenLanguage } from "./words/index.ts";

/** What `penumbra evaluate` found as one self-contained HTML page, of the same look as a study's report. */
export function renderEvaluation(report: EvaluationReport): string {
  const { classifier, place, photo, object, penumbra, createdAt, mistakes, unreadable } = report;
  const units = [
    { title: "By photo", figures: photo },
    ...(object ? [{ title: "By object", figures: object }] : []),
  ];
  const shown = object ?? photo;
  const page = html`<!doctype html>
<html lang="${spokenLanguage()}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${classifier}: evaluated</title><style>${new Html(styleSheet)}</style></head>
<body><main>
<header><h1>Classifier “${classifier}” on ${place}</h1>
<p>${counted(photo.classes.length, "known class", "known classes")}, ${counted(photo.objects, "photo")}${object && html`, ${counted(object.objects, "object")}`}; unknown at p ≤ ${fixed(report.level, 3)} by ${report.detector}</p>
<nav aria-label="Sections"><a href="#figures">Figures</a><a href="#classes">Classes</a>${shown.unknowns.length > 0 && html`<a href="#unknowns">Unknowns</a>`}<a href="#curves">Curves</a><a href="#mistakes">Mistakes</a></nav></header>
<section id="answer"><h2>${headline(shown, object ? "objects" : "photos")}</h2>${seenNote(report)}</section>
<section id="figures"><h2>Figures</h2>${figuresTable(units)}
<p>In brackets 95 % intervals (Wilson). A false alarm is a known one that is called unknown: the classifier is set to ${percent(report.level)} %. ECE: the gap between confidence and accuracy; AURC: area under the curve of wrong names over answers given.</p></section>
<section id="classes"><h2>Known classes</h2>${classesTable(shown)}</section>
${shown.unknowns.length > 0 && html`<section id="unknowns"><h2>Unknowns</h2>${unknownsTable(shown)}</section>`}
<section id="curves"><h2>Curves</h2><p>By photo.</p><div class="grid">${(["near", "far"] as const).map((role) => rocChart(photo, role))}${riskChart(photo)}</div></section>
<section id="mistakes"><h2>Where it goes wrong</h2><h3>Confusion</h3>${confusionPart(photo)}
${mistakes.length > 0 && html`<h3>The worst mistakes</h3>${mistakeStrips(mistakes, ({ image }) => image)}`}
${unreadable.length > 0 && html`<h3>Could not be read</h3><ul>${unreadable.slice(0, 50).map((line) => html`<li>${line}</li>`)}</ul>${unreadable.length > 50 && html`<p>and ${unreadable.length - 50} more</p>`}`}</section>
<footer>Made by Penumbra ${penumbra}, ${createdAt}. The same as data: penumbra evaluate … --json.</footer>
</main><script type="module">${new Html(SORT_TABLES)}</script></body></html>
`;
  return page.text;
}

function headline({ known, unknowns }: Evaluation, what: string): string {
  const overall = (role: UnknownRole) =>
    unknowns.find((line) => line.role === role && line.className === null);
  const found = (["near", "far"] as const).flatMap((role) => {
    const line = overall(role);
    return line ? [`${percent(line.flagged.share, 0)} % of the ${role} unknown`] : [];
  });
  const names = `It names ${percent(known.accuracy)} % of the known ${what} rightly`;
  return found.length === 0
    ? `${names}, and calls ${percent(known.flagged.share)} % of them unknown`
    : `${names}, and calls ${found.join(" and ")} ${what} unknown, with false alarms for ${percent(known.flagged.share)} % of the known`;
}

function seenNote({ seen }: EvaluationReport): Html | false {
  if (seen.same + seen.similar === 0) return false;
  const parts = [
    ...(seen.same > 0 ? [`${seen.same} are ones that it was made with`] : []),
    ...(seen.similar > 0 ? [`${seen.similar} look almost the same as one of these`] : []),
  ];
  return html`<div class="note">Of the photos ${parts.join(" and ")}: the figures flatter it.</div>`;
}

interface UnitFigures {
  readonly title: string;
  readonly figures: Evaluation;
}

function figuresTable(units: readonly UnitFigures[]): Html {
  const rows: readonly [string, (figures: Evaluation) => Html | string | null][] = [
    ["known", ({ confusion }) => String(confusion.flat().reduce((sum, count) => sum + count, 0))],
    ["accuracy %", ({ known }) => percent(known.accuracy)],
    ["accuracy %, mean of classes", ({ known }) => percent(known.balancedAccuracy)],
    ["among the five likeliest %", ({ known }) => (known.top5 !== null ? percent(known.top5) : null)],
    ["macro F1 %", ({ known }) => percent(known.macroF1)],
    ["false alarms %", ({ known }) => shareCell(known.flagged)],
    [
      "right among those not flagged %",
      ({ known }) => known.rightOfAccepted && shareCell(known.rightOfAccepted),
    ],
    ["ECE %", ({ known }) => percent(known.ece)],
    ["Brier", ({ known }) => fixed(known.brier, 3)],
    ["log loss, nats", ({ known }) => fixed(known.nll, 3)],
    ["AURC %", ({ known }) => percent(known.aurc)],
  ];
  const shown = rows.filter(([, value]) => units.some(({ figures }) => value(figures) !== null));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Figures"><table class="plain"><thead><tr><th scope="col">Figure</th>${units.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}</tr></thead><tbody>${shown.map(
    ([title, value]) =>
      html`<tr><th scope="row">${title}</th>${units.map(({ figures }) => html`<td class="number">${value(figures)}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

function shareCell({ share, low, high, count, of }: Share): Html {
  return html`<span title="${count} of ${of}">${percent(share)}</span> <span class="range">(${percent(low)} to ${percent(high)})</span>`;
}

function classesTable({ known }: Evaluation): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Known classes"><table class="plain sortable"><thead><tr><th scope="col">Class</th>${["number", "precision %", "recall %", "F1 %", "false alarms %"].map((title) => html`<th scope="col" class="number">${title}</th>`)}</tr></thead><tbody>${known.classes.map(
    ({ className, objects, precision, recall, f1, flagged }) =>
      html`<tr><th scope="row" class="id">${className}</th><td class="number">${objects}</td><td class="number">${percent(precision)}</td><td class="number">${percent(recall)}</td><td class="number">${percent(f1)}</td><td class="number">${objects > 0 && shareCell(flagged)}</td></tr>`,
  )}</tbody></table></div>`;
}

function unknownsTable({ unknowns }: Evaluation): Html {
  const name = ({ role, className }: UnknownFigures) =>
    html`<span class="tag ${role}">${role}</span> ${className === null ? html`<b>all</b>` : html`<span class="id">${className}</span>`}`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Unknowns"><table class="plain sortable"><thead><tr><th scope="col">Class</th>${["number", "called unknown %", "AUROC %", "FPR95 %", "OSCR %"].map((title) => html`<th scope="col" class="number">${title}</th>`)}</tr></thead><tbody>${unknowns.map(
    (line) =>
      html`<tr><th scope="row">${name(line)}</th><td class="number">${line.objects}</td><td class="number">${shareCell(line.flagged)}</td><td class="number">${percent(line.auroc)}</td><td class="number">${percent(line.fpr95IdPositive)}</td><td class="number">${percent(line.oscr)}</td></tr>`,
  )}</tbody></table></div>`;
}

function rocChart({ roc }: Evaluation, role: UnknownRole): Html | null {
  const points = roc[role];
  return (
    points &&
    html`<figure><figcaption>Known kept over ${role} unknowns let through (ROC)</figcaption>${linesChart(
      [{ title: `${role} unknowns`, points, className: "arm-1" }],
      {
        title: `ROC, ${role} unknowns`,
        xLabel: "share of unknowns let through",
        yLabel: "share of known kept",
      },
    )}</figure>`
  );
}

function riskChart({ risk }: Evaluation): Html {
  return html`<figure><figcaption>Wrong names over answers given, the surest first (risk over coverage)</figcaption>${linesChart(
    [{ title: "risk", points: risk, className: "arm-1" }],
    { title: "Risk over coverage", xLabel: "share of known photos answered", yLabel: "share that is wrong" },
  )}</figure>`;
}

function confusionPart({ classes, confusion }: Evaluation): Html {
  if (classes.length <= MOST_CLASSES) {
    return html`<p>Rows: the true class; columns: the answer, “?” being unknown; numbers: photos.</p>
<div class="grid wide"><figure>${confusionChart({ title: "Confusion", classes, counts: confusion, hasUnknown: true })}</figure></div>${classList(classes)}`;
  }
  const pairs = confusedPairs({ classes, counts: confusion.map((row) => row.slice(0, -1)) });
  return pairs ?? html`<p>Every photo that is not called unknown is named rightly.</p>`;
}
