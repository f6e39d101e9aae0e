import type { Mistake } from "../../results/index.ts";
import { confusionChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import type { Section } from "./section.ts";

const GROUPS: readonly { readonly kind: Mistake["kind"]; readonly title: string }[] = [
  { kind: "wrong class", title: "Named wrongly, and most sure of it" },
  { kind: "near called known", title: "Near unknowns that look most known" },
  { kind: "far called known", title: "Far unknowns that look most known" },
  { kind: "known called unknown", title: "Known photos that look most unknown" },
];

function caption(mistake: Mistake): Html {
  if (mistake.kind === "wrong class") {
    return html`is <b class="id">${mistake.truth}</b><br>called <b class="id">${mistake.answer}</b>, ${percent(mistake.probability, 0)} %`;
  }
  const level = html`score above ${percent(mistake.knownness, 0)} % of known`;
  if (mistake.kind === "known called unknown") return html`is <b class="id">${mistake.truth}</b><br>${level}`;
  return html`is <b class="id">${mistake.truth}</b><br>called <b class="id">${mistake.answer}</b><br>${level}`;
}

/** Confusion of the known classes, and the worst mistakes as pictures. */
export const mistakes: Section = {
  name: "mistakes",
  navigation: "Mistakes",
  title: () => "Where it goes wrong",
  isShown: ({ confusions }) => confusions.length > 0,
  render(outcome, source) {
    const title = (arm: string) => titleOf(outcome.arms, arm);
    const classes = new Set(outcome.confusions.flatMap((item) => item.classes));
    return html`<h3>Confusion</h3>
<p>Rows: the true class; columns: the answer; numbers: test photos of all seeds.</p>
<div class="grid wide">${outcome.confusions.map(
      (item) =>
        html`<figure><figcaption>${title(item.arm)}</figcaption>${confusionChart({ ...item, title: `Confusion, ${title(item.arm)}` })}</figure>`,
    )}</div>
<ol class="classes">${[...classes].map((name) => html`<li class="id">${name}</li>`)}</ol>
<h3>The worst mistakes of ${title(outcome.mistakesArm)}</h3>
${GROUPS.map(({ kind, title: name }) => {
  const items = outcome.mistakes.filter((mistake) => mistake.kind === kind);
  if (items.length === 0) return null;
  return html`<div class="strip"><h4>${name}</h4><div class="tiles">${items.map(
    (item) =>
      html`<figure class="tile mistake"><img src="${source(item.image)}" alt="${item.id}" title="${item.id}, seed ${item.seed}" loading="lazy"><figcaption>${caption(item)}</figcaption></figure>`,
  )}</div></div>`;
})}`;
  },
};
