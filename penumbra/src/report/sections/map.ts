import type { FeatureMap, MapKind, Outcome } from "../../results/index.ts";
import { scatterChart } from "../charts/index.ts";
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
  render: (
    outcome,
  ) => html`<p>Each dot is an image at seed ${seedOf(outcome)}, in the plane in which the features of the known photos differ most (principal components). Distances in the plane are less than the true ones: what lies together here may lie apart, what lies apart does. ${legend(outcome)}</p>
<div class="grid">${outcome.featureMaps.map((item) => figure(item, outcome))}</div>`,
};

function seedOf({ featureMaps }: Outcome): string {
  return listed([...new Set(featureMaps.map(({ seed }) => String(seed)))]);
}

function legend({ featureMaps }: Outcome): Html {
  const shown = KINDS.filter(({ kind }) => featureMaps.some(({ points }) => points[kind]));
  return html`<span class="legend">${shown.map(({ kind, title }) => html`<span><span class="key ${kind}"></span> ${title}</span> `)}</span>`;
}

function figure({ arm, points, explained: [first, second] }: FeatureMap, outcome: Outcome): Html {
  const title = titleOf(outcome.arms, arm);
  const series = KINDS.flatMap(({ kind, title }) => {
    const own = points[kind];
    return own ? [{ title, className: kind, points: own }] : [];
  });
  return html`<figure><figcaption>${title}</figcaption>${scatterChart(series, {
    title: `Map of the features, ${title}`,
    xLabel: `first component, ${percent(first, 0)} % of the variance`,
    yLabel: `second, ${percent(second, 0)} %`,
  })}</figure>`;
}
