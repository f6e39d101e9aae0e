import type { HypothesisResult, Outcome, Power } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { counted, fixed, percent, points, pointsRange } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { asSaid, joined, translated } from "../words/index.ts";
import type { Section } from "./section.ts";
import { HYPOTHESIS_LOOKS, HYPOTHESIS_WORDS } from "./verdicts.ts";

/** What a hypothesis says, in words. */
export function hypothesisTitle(
  { name, objective, source, use }: HypothesisResult,
  outcome: Outcome,
): string {
  const images = source === null ? "Images" : capital(titleOf(outcome.sources, source));
  const as = use === null ? "positives" : titleOf(outcome.uses, use);
  const objectives = new Set(outcome.hypotheses.map((item) => item.objective));
  const clause = objectives.size > 1 ? ` (${titleOf(outcome.objectives, objective)})` : "";
  const detector = titleOf(outcome.detectors, outcome.detector);
  switch (name) {
    case "H1":
    case "H2":
      return `${images} as ${as} raise accuracy${clause}`;
    case "H3":
      return `${images} as ${as} raise the AUROC of near unknowns by ${detector}${clause}`;
    case "H4":
      return `Together they do more for near unknowns than each by itself adds up to${clause}`;
    default:
      throw new RangeError(`There are no words for the hypothesis ${name}.`);
  }
}

/** Whether two hypotheses, of two studies or of two sizes of one, say the same. */
export function isSameHypothesis(a: HypothesisResult, b: HypothesisResult): boolean {
  return (["name", "objective", "source", "use"] as const).every((key) => a[key] === b[key]);
}

function capital(text: string): string {
  return asSaid(text.charAt(0).toUpperCase() + text.slice(1));
}

/** A p-value with two digits that mean something. */
function chance(value: number | null): string {
  if (value === null) return "n/a";
  return value < 0.001 ? "< 0.001" : fixed(value, value < 0.1 ? 3 : 2);
}

/** What it takes to decide, if the true difference were the measured one. */
function toDecide({ verdict, power }: HypothesisResult): string {
  if (verdict !== "undecided" || !power) return "";
  const { detectable } = power;
  if (detectable === null) return enough(power);
  return `${enough(power)}; finds ${points(detectable).replace("+", "")} points`;
}

function enough({ seeds, objectFactor }: Power): string {
  if (seeds !== null) return counted(seeds, "seed");
  if (objectFactor === null || objectFactor > 1000) return "no number of seeds";
  return `${fixed(objectFactor, objectFactor < 10 ? 1 : 0)} times the test objects`;
}

function row(item: HypothesisResult, outcome: Outcome): Html {
  return html`<tr>
<th scope="row"><b>${item.name}</b> ${hypothesisTitle(item, outcome)}</th>
<td><span class="verdict ${HYPOTHESIS_LOOKS[item.verdict]}">${HYPOTHESIS_WORDS[item.verdict]}</span></td>
<td class="number"><b>${points(item.mean)}</b></td>
<td class="range">${item.interval ? pointsRange(item.interval) : "needs two seeds"}</td>
<td class="number">${chance(item.adjustedPValue)}</td>
<td class="number">${chance(item.signFlip.pValue)}</td>
<td>${toDecide(item)}</td>
</tr>`;
}

/** How often the figures were looked at: in this run, and before it. */
export function looksNote({ looks, earlierOpenings, earlierLooks, confidence }: Outcome): string {
  const within = looks
    ? [
        `This is look ${looks.taken} of at most ${looks.planned} at the figures; intervals of ${percent(confidence, 1)} % keep the level for all of them together.`,
      ]
    : [];
  const others = counted(earlierOpenings, "other setting");
  // What is decided seed by seed is one study, however often it looks.
  const openings =
    earlierLooks > earlierOpenings ? asSaid(translated(`${others}, ${earlierLooks} times in all`)) : others;
  const before =
    earlierOpenings === 0
      ? "No earlier run in this folder has looked at the test of these photos."
      : `Earlier runs in this folder have looked at the test of the same photos with ${openings}: the more often a test is opened, the less its best figure means.`;
  return joined([...within, before], " ");
}

/** The hypotheses as plain lines for a terminal; none where there are none. */
export function describeHypotheses(outcome: Outcome): string[] {
  if (outcome.hypotheses.length === 0) return [];
  const lines = outcome.hypotheses.map((item) => {
    const range = item.interval
      ? `${pointsRange(item.interval)}, p ${chance(item.adjustedPValue)}`
      : "one seed";
    const more = toDecide(item);
    return `  ${item.name} ${translated(hypothesisTitle(item, outcome))}: ${asSaid(translated(HYPOTHESIS_WORDS[item.verdict]).toLowerCase())}, ${points(item.mean)} points (${range})${more && `; to decide: ${more}`}`;
  });
  return ["", "Hypotheses (intervals over seeds and test objects, p by Holm):", ...lines, looksNote(outcome)];
}

/** The hypotheses that the study was made to test, corrected for their number, and what it would take to decide. */
export const hypotheses: Section = {
  name: "hypotheses",
  navigation: "Hypotheses",
  title: () => "What was asked, and how surely it is answered",
  isShown: (outcome) => outcome.hypotheses.length > 0,
  render(outcome) {
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Hypotheses"><table>
<thead><tr><th scope="col">Hypothesis</th><th scope="col">Answer</th><th scope="col" class="number">Points</th><th scope="col">${percent(outcome.confidence, 0)} % interval</th><th scope="col" class="number">p (Holm)</th><th scope="col" class="number">p (sign flips)</th><th scope="col">To decide</th></tr></thead>
<tbody>${outcome.hypotheses.map((item) => row(item, outcome))}</tbody>
</table></div>
<p>${looksNote(outcome)}</p>
<details class="how"><summary>How to read this</summary>
<p><b>Interval</b> and <b>p</b>: over seeds and test objects; p is two-sided and corrected for the number of rows (Holm), so that in 95 of 100 studies where nothing has an effect no row says so. <b>Sign flips</b>: a permutation test of the seeds' differences that assumes no distribution and knows nothing of test objects; with ${counted(outcome.seeds.length, "seed")} it cannot say less than ${chance(smallest(outcome))}. <b>To decide</b>: what would find the measured difference in four of five repetitions, and the smallest difference that a study of this size finds as often, at the level that is left for each row which is not decided. Where more seeds cannot do it, the test objects are too few: their part of the chance does not shrink with seeds.</p>
</details>`;
  },
};

function smallest({ hypotheses }: Outcome): number | null {
  return hypotheses[0]?.signFlip.smallest ?? null;
}
