import type { Outcome } from "../results/index.ts";
import { Html, html } from "./html.ts";
import { counted } from "./numbers.ts";
import { answerSection } from "./sections/answer.ts";
import { armsSection } from "./sections/arms.ts";
import { curvesSection } from "./sections/curves.ts";
import { mistakesSection } from "./sections/mistakes.ts";
import { runSection } from "./sections/run.ts";
import { scoresSection } from "./sections/scores.ts";
import { type ImageSource, sheetSection } from "./sections/sheet.ts";
import { styleSheet } from "./style.ts";

/**
 * The report: one self-contained HTML page, nothing loaded from anywhere.
 *
 * `source` turns an image's path in the run folder into what stands in `src`, usually a data URI.
 */
export function renderReport(outcome: Outcome, source: ImageSource): string {
  const { name, photos, arms, seeds } = outcome;
  const sections: readonly { readonly id: string; readonly link: string; readonly content: Html | null }[] = [
    { id: "answer", link: "Answer", content: answerSection(outcome) },
    { id: "arms", link: "Arms", content: armsSection(outcome) },
    { id: "images", link: "Images", content: sheetSection(outcome, source) },
    { id: "scores", link: "Known or unknown", content: scoresSection(outcome) },
    { id: "mistakes", link: "Mistakes", content: mistakesSection(outcome, source) },
    { id: "curves", link: "Training", content: curvesSection(outcome) },
    { id: "run", link: "What ran", content: runSection(outcome) },
  ];
  const shown = sections.filter(({ content }) => content !== null);
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}: Penumbra study</title><style>${new Html(styleSheet)}</style></head>
<body><main>
<header><h1>Penumbra study “${name}”</h1>
<p>${counted(photos.known.classes, "known class", "known classes")}, ${counted(photos.near.classes, "near and", "near and")} ${counted(photos.far.classes, "far unknown class", "far unknown classes")}; ${counted(arms.length, "arm")} × ${counted(seeds.length, "seed")}</p>
<nav aria-label="Sections">${shown.map(({ id, link }) => html`<a href="#${id}">${link}</a>`)}</nav></header>
${shown.map(({ content }) => content)}
<footer>Made by Penumbra ${outcome.machine.penumbra}. The same numbers as data: results.jsonl and report.json beside this page.</footer>
</main></body></html>
`;
  return page.text;
}
