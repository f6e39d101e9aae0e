import { histogramChart } from "../charts/index.ts";
import { html } from "../html.ts";
import { titleOf } from "../titles.ts";
import type { Section } from "./section.ts";

/** How far apart the scores of known, near and far test photos lie, arm by arm. */
export const scores: Section = {
  name: "scores",
  navigation: "Known or unknown",
  title: () => "Known or unknown",
  isShown: (outcome) => outcome.histograms.length > 0,
  render(outcome) {
    const detector = titleOf(outcome.detectors, outcome.detector);
    const hasNear = outcome.histograms.some(({ near }) => near.some((share) => share > 0));
    const hasFar = outcome.histograms.some(({ far }) => far.some((share) => share > 0));
    return html`<p>Scores of ${detector} on the test photos of all seeds; further right = more known. The less the colours overlap, the better; the outermost bars hold all that lies beyond.
<span class="legend"><span><span class="key known"></span> known</span> ${hasNear && html`<span><span class="key near"></span> near unknowns</span>`} ${hasFar && html`<span><span class="key far"></span> far unknowns</span>`}</span></p>
<div class="grid">${outcome.histograms.map((item) => {
      const title = titleOf(outcome.arms, item.arm);
      return html`<figure><figcaption>${title}</figcaption>${histogramChart(
        [
          { title: "known", className: "known", shares: item.known },
          ...(hasFar ? [{ title: "far unknowns", className: "far", shares: item.far }] : []),
          ...(hasNear ? [{ title: "near unknowns", className: "near", shares: item.near }] : []),
        ],
        {
          title: `Scores, ${title}`,
          edges: item.edges,
          xLabel: `score of ${detector}`,
          yLabel: "of the photos",
        },
      )}</figure>`;
    })}</div>`;
  },
};
