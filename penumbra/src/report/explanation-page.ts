import type { ExplainedObject, ExplanationPage } from "../results/index.ts";
import { Html, html } from "./html.ts";
import { fixed, percent } from "./numbers.ts";
import { styleSheet } from "./style.ts";
import { spokenLanguage } from "./words/index.ts";

/** What `penumbra predict --explain` found as a page; its pictures lie beside it. */
export function renderExplanations({ classifier, places, objects }: ExplanationPage): string {
  const page = html`<!doctype html>
<html lang="${spokenLanguage()}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${classifier}: explained</title><style>${new Html(styleSheet + STYLE)}</style></head>
<body><main>
<header><h1>What “${classifier}” looked at</h1>
<p class="lead">Of each photo ${places} × ${places} places were hidden in turn (occlusion). Of a known object <b>orange</b> places speak for its class: without them it would be less sure; <i>blue</i> ones speak against it. Of an unknown one orange places are what makes it look unknown. Beside it the photos it learned from that are most similar (cosine of the features).</p></header>
${objects.map(objectPart)}
</main></body></html>
`;
  return page.text;
}

function objectPart({
  name,
  isUnknown,
  className,
  confidence,
  pValue,
  others,
  views,
  neighbours,
}: ExplainedObject): Html {
  const verdict = isUnknown
    ? html`<em>unknown</em>, p ${fixed(pValue, 3)}; resembles ${className} ${percent(confidence)} %`
    : html`<b>${className}</b> ${percent(confidence)} %, p ${fixed(pValue, 3)}; then ${others.map(({ className: other, probability }, i) => html`${i > 0 && ", "}${other} ${percent(probability)} %`)}`;
  return html`<section class="object"><h2 class="id">${name}</h2><p>${verdict}</p><div class="row">
${views.map(({ photo, image, heat }) => html`<figure class="tile"><img src="${image}" alt="${photo}" loading="lazy"><img src="${heat}" alt="what mattered in ${photo}" loading="lazy"></figure>`)}
<div class="tiles">${neighbours.map(
    ({ id, className: own, similarity, image }) =>
      html`<figure class="tile"><img src="${image}" alt="${id}" title="${id}" loading="lazy"><figcaption><b class="id">${own}</b><br>${fixed(similarity, 3)}</figcaption></figure>`,
  )}</div></div></section>`;
}

const STYLE = `
.object { margin-top: 28px; } .object h2 { font-size: 1rem; } .object .row { display: flex; flex-wrap: wrap; gap: 12px 20px; align-items: flex-start; }
.object .tile img + img { margin-top: 6px; } .lead b, .object em { color: var(--near); font-weight: 600; font-style: normal; } .lead i { color: var(--known); font-weight: 600; font-style: normal; }
`;
