import type { Outcome } from "../../results/index.ts";
import { histogramChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";

/** How far apart the scores of known, near and far test photos lie, arm by arm. */
export function scoresSection(outcome: Outcome): Html | null {
  if (outcome.histograms.length === 0) return null;
  const hasNear = outcome.histograms.some(({ near }) => near.some((share) => share > 0));
  const hasFar = outcome.histograms.some(({ far }) => far.some((share) => share > 0));
  return html`<section id="scores"><h2>Known or unknown</h2>
<p>Scores of ${outcome.detector} on the test photos of all seeds; further right = more known. The less the colours overlap, the better; the outermost bars hold all that lies beyond.
<span class="legend"><span><span class="key known"></span> known</span> ${hasNear && html`<span><span class="key near"></span> near unknowns</span>`} ${hasFar && html`<span><span class="key far"></span> far unknowns</span>`}</span></p>
<div class="grid">${outcome.histograms.map((item) => {
    const title = outcome.arms.find(({ name }) => name === item.arm)?.title ?? item.arm;
    return html`<figure><figcaption>${title}</figcaption>${histogramChart(
      [
        { title: "known", className: "known", shares: item.known },
        ...(hasFar ? [{ title: "far unknowns", className: "far", shares: item.far }] : []),
        ...(hasNear ? [{ title: "near unknowns", className: "near", shares: item.near }] : []),
      ],
      {
        title: `Scores, ${title}`,
        edges: item.edges,
        xLabel: `score of ${outcome.detector}`,
        yLabel: "of the photos",
      },
    )}</figure>`;
  })}</div></section>`;
}
