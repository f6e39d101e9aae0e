import {
  addedUp,
  type Confusion,
  confusedClasses,
  type Mistake,
  type Outcome,
  partOf,
  worstPairs,
} from "../../results/index.ts";
import { confusionChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { counted, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import type { Section } from "./section.ts";

const GROUPS: readonly { readonly kind: Mistake["kind"]; readonly title: string }[] = [
  { kind: "wrong class", title: "Named wrongly, and most sure of it" },
  { kind: "near called known", title: "Near unknowns that look most known" },
  { kind: "far called known", title: "Far unknowns that look most known" },
  { kind: "known called unknown", title: "Known photos that look most unknown" },
];

/** A mistake as it is shown; that of a study has its seed. */
type ShownMistake = Omit<Mistake, "seed">;

function caption(mistake: ShownMistake): Html {
  if (mistake.kind === "wrong class") {
    return html`is <b class="id">${mistake.truth}</b><br>called <b class="id">${mistake.answer}</b>, ${percent(mistake.probability, 0)} %`;
  }
  const level = html`score above ${percent(mistake.knownness, 0)} % of known`;
  if (mistake.kind === "known called unknown") return html`is <b class="id">${mistake.truth}</b><br>${level}`;
  return html`is <b class="id">${mistake.truth}</b><br>called <b class="id">${mistake.answer}</b><br>${level}`;
}

/** With more classes a matrix has labels that nobody can read, and a page that takes seconds to open. */
export const MOST_CLASSES = 30;
const MOST_PAIRS = 20;

/** Confusion of the known classes, and the worst mistakes as pictures. */
export const mistakes: Section = {
  name: "mistakes",
  navigation: "Mistakes",
  title: () => "Where it goes wrong",
  isShown: ({ confusions }) => confusions.length > 0,
  render: (outcome, source) => html`<h3>Confusion</h3>
${confusionPart(outcome)}
<h3>The worst mistakes of ${titleOf(outcome.arms, outcome.mistakesArm)}</h3>
${mistakeStrips(outcome.mistakes, ({ image }) => source(image))}`,
};

/** The worst mistakes as pictures, a strip for each kind. @param source what stands in `src` */
export function mistakeStrips<Item extends ShownMistake>(
  all: readonly Item[],
  source: (mistake: Item) => string,
): readonly (Html | null)[] {
  return GROUPS.map(({ kind, title }) => {
    const items = all.filter((mistake) => mistake.kind === kind);
    if (items.length === 0) return null;
    return html`<div class="strip"><h4>${title}</h4><div class="tiles">${items.map(
      (item) =>
        html`<figure class="tile mistake"><img src="${source(item)}" alt="${item.id}" title="${item.id}" loading="lazy"><figcaption>${caption(item)}</figcaption></figure>`,
    )}</div></div>`;
  });
}

function confusionPart(outcome: Outcome): Html {
  const { confusions } = outcome;
  const classes = new Set(confusions.flatMap((item) => item.classes));
  if (classes.size <= MOST_CLASSES) {
    return html`<p>Rows: the true class; columns: the answer; numbers: test photos of all seeds.</p>
${matrices(outcome, confusions)}
${classList([...classes])}`;
  }
  const shown = confusedClasses(addedUp(confusions), MOST_CLASSES);
  const parts = confusions.map((confusion) => partOf(confusion, shown));
  return html`${pairsTable(outcome)}
${
  shown.length > 0 &&
  html`<p>The ${counted(shown.length, "class", "classes")} of ${classes.size} that are taken for each other most, those that are confused side by side. Rows: the true class; columns: the answer; numbers: test photos of all seeds, darkness their share of the row. report.json has the whole matrix.</p>
${matrices(outcome, parts)}
${classList(parts[0]!.classes)}`
}`;
}

function matrices({ arms }: Outcome, confusions: readonly Confusion[]): Html {
  return html`<div class="grid wide">${confusions.map((item) => {
    const title = titleOf(arms, item.arm);
    return html`<figure><figcaption>${title}</figcaption>${confusionChart({ ...item, title: `Confusion, ${title}` })}</figure>`;
  })}</div>`;
}

export function classList(names: readonly string[]): Html {
  return html`<ol class="classes">${names.map((name) => html`<li class="id">${name}</li>`)}</ol>`;
}

/** The pairs that the shown arm confuses most. */
function pairsTable({ arms, confusions, mistakesArm }: Outcome): Html {
  const confusion = confusions.find(({ arm }) => arm === mistakesArm) ?? confusions[0]!;
  const { arm } = confusion;
  const table = confusedPairs(confusion);
  if (!table) return html`<p>${titleOf(arms, arm)} named every test photo rightly.</p>`;
  return html`<p>What ${titleOf(arms, arm)} takes for something else most often, over the test photos of all seeds.</p>
${table}`;
}

/** The pairs of classes that are confused most, as a table; null where none is. */
export function confusedPairs(confusion: Pick<Confusion, "classes" | "counts">): Html | null {
  const { classes } = confusion;
  const rows = worstPairs(confusion, MOST_PAIRS).map(
    ({ truth, answer, count, of }) =>
      html`<tr><td class="id">${classes[truth]}</td><td class="id">${classes[answer]}</td><td class="number">${count} of ${of}</td><td class="number">${percent(count / of, 0)} %</td></tr>`,
  );
  if (rows.length === 0) return null;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Most confused classes"><table class="plain"><thead><tr><th scope="col">True class</th><th scope="col">Answer</th><th scope="col" class="number">Photos</th><th scope="col" class="number">Share</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}
