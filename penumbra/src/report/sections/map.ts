import type { FeatureMap, MapKind, NeighbourMap, Outcome, PrincipalMap } from "../../results/index.ts";
import { type ScatterSeries, scatterChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { listed, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import type { Section } from "./section.ts";

/** What the dots are, from the lowest to the topmost. */
const KINDS: readonly { readonly kind: MapKind; readonly title: string }[] = [
  { kind: "far", title: "far unknowns" },
  { kind: "near", title: "near unknowns" },
  { kind: "nearOod", title: "near-OOD redraws" },
  { kind: "faithful", title: "faithful redraws" },
  { kind: "known", title: "known photos of the test" },
  { kind: "train", title: "photos learned from" },
];

/** Where each arm's encoder puts photos, redraws and unknowns. */
export const map: Section = {
  name: "map",
  navigation: "Map",
  title: () => "A map of the features",
  isShown: ({ featureMaps }) => featureMaps.length > 0,
  render(outcome) {
    const principal = outcome.featureMaps.filter((item) => item.method !== "umap");
    const neighbours = outcome.featureMaps.filter((item) => item.method === "umap");
    return html`<p>Each dot is an image at seed ${seedOf(outcome)}. ${legend(outcome)}</p>
${
  principal.length > 0 &&
  html`<p>In the plane in which the features of the known photos differ most (principal components). Distances in the plane are less than the true ones: what lies together here may lie apart, what lies apart does.</p>
<div class="grid">${principal.map((item) => principalFigure(item, outcome))}</div>`
}${
  neighbours.length > 0 &&
  html`<p>By UMAP, with ${listed(neighboursOf(outcome))} neighbours: it lays images that are neighbours by their features beside each other, so dots in one heap are alike to the encoder. Nothing else is evidence: gaps, distances between heaps, their sizes and shapes follow from the algorithm, and the axes mean nothing. Whether unknowns can be told is said by the detectors' figures alone.</p>
<div class="grid">${neighbours.map((item) => neighbourFigure(item, outcome))}</div>`
}`;
  },
};

function seedOf({ featureMaps }: Outcome): string {
  return listed([...new Set(featureMaps.map(({ seed }) => String(seed)))]);
}

/** Numbers of neighbours that UMAP's pictures were made with; empty where there are none. */
export function neighboursOf({ featureMaps }: Outcome): string[] {
  return [...new Set(featureMaps.flatMap((map) => (map.method === "umap" ? [String(map.neighbours)] : [])))];
}

function legend({ featureMaps }: Outcome): Html {
  const shown = KINDS.filter(({ kind }) => featureMaps.some(({ points }) => points[kind]));
  return html`<span class="legend">${shown.map(({ kind, title }) => html`<span><span class="key ${kind}"></span> ${title}</span> `)}</span>`;
}

function principalFigure(item: PrincipalMap, outcome: Outcome): Html {
  const title = titleOf(outcome.arms, item.arm);
  const [first, second] = item.explained;
  return html`<figure><figcaption>${title}</figcaption>${scatterChart(seriesOf(item), {
    title: `Map of the features, ${title}`,
    xLabel: `first component, ${percent(first, 0)} % of the variance`,
    yLabel: `second, ${percent(second, 0)} %`,
  })}</figure>`;
}

function neighbourFigure(item: NeighbourMap, outcome: Outcome): Html {
  const title = titleOf(outcome.arms, item.arm);
  return html`<figure><figcaption>${title}</figcaption>${scatterChart(seriesOf(item), {
    title: `UMAP of the features, ${title}`,
    xLabel: "only neighbours count, not axes",
    yLabel: "UMAP",
  })}</figure>`;
}

function seriesOf({ points }: FeatureMap): ScatterSeries[] {
  return KINDS.flatMap(({ kind, title }) => {
    const own = points[kind];
    return own ? [{ title, className: kind, points: own }] : [];
  });
}
