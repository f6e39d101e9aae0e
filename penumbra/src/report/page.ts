import type { Outcome } from "../results/index.ts";
import { Html, html } from "./html.ts";
import { counted } from "./numbers.ts";
import { type ImageSource, SECTIONS, type Section } from "./sections/index.ts";
import { SORT_TABLES } from "./sort-tables.ts";
import { styleSheet } from "./style.ts";
import { spokenLanguage } from "./words/index.ts";

/**
 * The report: one self-contained HTML page, nothing loaded from anywhere.
 *
 * `source` turns an image's path in the run folder into what stands in `src`, usually a data URI.
 */
export function renderReport(outcome: Outcome, source: ImageSource): string {
  const { name, photos, arms, seeds } = outcome;
  const shown = SECTIONS.filter((section) => section.isShown(outcome));
  const page = html`<!doctype html>
<html lang="${spokenLanguage()}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}: Penumbra study</title><style>${new Html(styleSheet)}</style></head>
<body><main>
<header><h1>Penumbra study “${name}”</h1>
<p>${counted(photos.known.classes, "known class", "known classes")}, ${counted(photos.near.classes, "near and", "near and")} ${counted(photos.far.classes, "far unknown class", "far unknown classes")}; ${counted(arms.length, "arm")} × ${counted(seeds.length, "seed")}</p>
<nav aria-label="Sections">${shown.map((section) => html`<a href="#${section.name}">${section.navigation}</a>`)}</nav></header>
${shown.map((section) => renderSection(section, outcome, source))}
<footer>Made by Penumbra ${outcome.machine.penumbra}. The same numbers as data: results.jsonl and report.json beside this page.</footer>
</main><script type="module">${new Html(SORT_TABLES)}</script></body></html>
`;
  return page.text;
}

function renderSection(section: Section, outcome: Outcome, source: ImageSource): Html {
  return html`<section id="${section.name}"><h2>${section.title(outcome)}</h2>
${section.render(outcome, source)}
</section>`;
}
