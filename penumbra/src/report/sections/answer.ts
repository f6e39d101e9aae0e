import {
  type Comparison,
  FEWEST_DECIDING_SEEDS,
  type Outcome,
  type OutcomeName,
  outcomes,
  type Question,
  recommendArm,
} from "../../results/index.ts";
import { intervalAxis, intervalChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { counted, percent, points, pointsRange } from "../numbers.ts";
import { additionsOf, objectiveClause, questionTitle, titleOf } from "../titles.ts";
import { asSaid, joined, translated } from "../words/index.ts";
import { decisiveComparisons, decisiveQuestion, headline } from "./headline.ts";
import { describeHypotheses } from "./hypotheses.ts";
import { describeLearning } from "./learning.ts";
import type { Section } from "./section.ts";
import { VERDICT_WORDS } from "./verdicts.ts";

/** Fewer seeds are called few: their intervals are wide. */
const USEFUL_SEEDS = 5;

function outcomeTitle(outcome: OutcomeName, { detector, detectors }: Outcome): string {
  if (outcome === "accuracy") return "Accuracy on the known classes";
  return `Telling ${outcome} unknowns apart (${titleOf(detectors, detector)})`;
}

const MEASURES: Readonly<Record<OutcomeName, string>> = {
  accuracy: "accuracy",
  near: "near-unknown AUROC",
  far: "far-unknown AUROC",
};

/** What the headline rests on: the differences between both kinds of synthetic images and none. */
function evidence(outcome: Outcome): Html | null {
  const question = decisiveQuestion(outcome);
  const items = decisiveComparisons(outcome);
  if (!question || items.length === 0) return null;
  return html`<div class="evidence"><p>With ${additionsOf(question, outcome)} instead of no synthetic images${objectiveClause(question, outcome)}:</p>
<ul>${items.map(
    (item) =>
      html`<li><b>${MEASURES[item.outcome]}</b> <b class="nowrap">${points(item.mean)} points</b> <span class="nowrap">(${intervalText(item, outcome)})</span></li>`,
  )}</ul></div>`;
}

function intervalText({ interval }: Comparison, { confidence }: Outcome): string {
  return interval
    ? `${percent(confidence, 0)} % interval ${pointsRange(interval)}`
    : "no interval with one seed";
}

/** The answer as plain lines for a terminal: headline, a table of the arms, the differences behind the headline. */
export function describeAnswer(outcome: Outcome): string[] {
  const { arms, seeds, results, detector, unit } = outcome;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const rows = arms.map(({ name, title }) => {
    const own = results.filter((line) => line.arm === name && line.unit === unit);
    const named = own.flatMap((line) => (line.kind === "classification" ? [line] : []));
    const auroc = (role: string) =>
      own.flatMap((line) =>
        line.kind === "unknowns" &&
        line.part === "test" &&
        line.role === role &&
        line.detector === detector &&
        line.unknownClass === null
          ? [line.auroc]
          : [],
      );
    return [
      translated(title),
      ...[
        named.map(({ accuracy }) => accuracy),
        named.map(({ balancedAccuracy }) => balancedAccuracy),
        auroc("near"),
        auroc("far"),
      ].map((values) => percent(mean(values))),
    ];
  });
  const head = ["", "accuracy", "balanced", "near AUROC", "far AUROC"].map(translated);
  const width = Math.max(20, ...rows.map(([title = ""]) => title.length + 1));
  const table = [head, ...rows].map(
    ([title = "", ...cells]) => `${title.padEnd(width)}${cells.map((cell) => cell.padStart(12)).join("")}`,
  );
  const question = decisiveQuestion(outcome);
  const differences = decisiveComparisons(outcome).map(
    (item) => `  ${MEASURES[item.outcome]} ${points(item.mean)} points (${intervalText(item, outcome)})`,
  );
  const words = (lines: readonly string[]) => lines.map(translated);
  return [
    ...words([headline(outcome) ?? "What the arms show:"]),
    "",
    ...table,
    ...words(
      question && differences.length > 0
        ? [
            "",
            `With ${additionsOf(question, outcome)} instead of no synthetic images${objectiveClause(question, outcome)}:`,
            ...differences,
          ]
        : [],
    ),
    ...words(describeHypotheses(outcome)),
    ...describeLearning(outcome),
    ...words(caveats(outcome).map((text) => `Warning: ${text}`)),
    ...words(
      seeds.length < USEFUL_SEEDS
        ? [
            `${seeds.length === 1 ? "One seed decides nothing" : `${counted(seeds.length, "seed")} are few`}: five or more (--seeds 5) give a useful answer.`,
          ]
        : [],
    ),
    ...useLines(outcome),
  ];
}

/** The command that makes a classifier of what was found, and why of that arm. */
function useLines(outcome: Outcome): string[] {
  const recommended = recommendArm(outcome);
  return recommended
    ? ["", translated(`To use it: ${outcome.trainCommand}`), `  ${translated(recommended.reason)}`]
    : [];
}

function useNote(outcome: Outcome): Html | null {
  const recommended = recommendArm(outcome);
  return (
    recommended &&
    html`<p>To use it: <code>${outcome.trainCommand}</code> makes a classifier. ${recommended.reason}</p>`
  );
}

/** What the numbers must not be read without: oddities of the photos, and encoders that learned nothing. */
function caveats(outcome: Outcome): string[] {
  const { photos, curves, arms } = outcome;
  const collapsed = curves.flatMap(({ arm, seed, collapse }) => {
    return collapse ? [`${titleOf(arms, arm)}, seed ${seed}: ${collapse.message}`] : [];
  });
  return [...collapsed, ...siftWarnings(outcome), ...photos.warnings];
}

/** Fewer of the wanted images than this share, and an arm is not what it is called. */
const ENOUGH_SIFTED = 1 / 2;

/** Sifts that let pass too little for the arms that were to learn from it. */
function siftWarnings(outcome: Outcome): string[] {
  const { sources, recipes, sifted, otherShots, training } = outcome;
  const all = [
    { shots: training.shots, sifted },
    ...otherShots.map(({ shots, sifted: own }) => ({ shots, sifted: own })),
  ];
  return all.flatMap((of) => {
    const where = all.length > 1 ? ` with ${counted(of.shots, "object")} a class` : "";
    return of.sifted.flatMap(({ source, recipes: yields }) =>
      yields
        .filter(({ accepted, wanted }) => accepted < ENOUGH_SIFTED * wanted)
        .map(({ recipe, accepted, wanted }) => {
          const name = joined([titleOf(sources, source), titleOf(recipes, recipe)], ", ");
          const what = where === "" ? name : asSaid(translated(`${name}${where}`));
          return accepted === 0
            ? `None of ${wanted} images passed the sift (${what}): arms that were to learn from them did without. The sift's own figures below say whether its judge can tell near unknowns from known ones at all; more attempts or another band may help.`
            : `Only ${accepted} of ${wanted} images passed the sift (${what}): arms learned from fewer than they were to. More attempts or another band may help.`;
        }),
    );
  });
}

function caveatsNote(outcome: Outcome): Html | null {
  const list = caveats(outcome);
  if (list.length === 0) return null;
  return html`<div class="note"><b>Mind when reading the numbers:</b><ul>${list.map((text) => html`<li>${text}</li>`)}</ul></div>`;
}

/** A warning where the number of seeds cannot carry a conclusion. */
function seedsNote({ seeds, confidence }: Outcome): Html | null {
  if (seeds.length === 1) {
    return html`<p class="note"><b>One seed decides nothing.</b> How much the result changes with another draw of training photos cannot be seen from a single one. Run with at least two seeds, better five: <code>--seeds 5</code>.</p>`;
  }
  if (seeds.length < USEFUL_SEEDS) {
    return html`<p class="note"><b>${counted(seeds.length, "seed")} are few.</b> The ${percent(confidence, 0)} % intervals rest on ${counted(seeds.length, "paired difference")}: honest, but ${seeds.length < FEWEST_DECIDING_SEEDS ? "with fewer than three nothing here is called decided, however narrow an interval happens to be" : "wide, so that only a large effect can be proven"}. Five seeds or more (<code>--seeds 5</code>) give a useful answer; what is there is not computed again.</p>`;
  }
  return null;
}

/** The largest difference that the charts of one outcome must show: the seeds and the objects; wide t intervals end in arrows. */
export function differenceLimit(comparisons: readonly Comparison[], margin: number): number {
  const reach = comparisons.flatMap(({ perSeed, overObjects }) => [
    ...perSeed,
    ...(overObjects ? [overObjects.low, overObjects.high] : []),
  ]);
  return 1.15 * Math.max(2 * margin, 0.02, ...reach.map(Math.abs));
}

function row(item: Comparison, outcome: Outcome, limit: number): Html {
  const interval = item.interval ? pointsRange(item.interval) : "needs two seeds";
  const title = [
    `${points(item.mean)} points`,
    `${percent(outcome.confidence, 0)} % over seeds and objects: ${interval}`,
    item.overSeeds && `over seeds: ${pointsRange(item.overSeeds)}`,
    item.overObjects && `over test objects: ${pointsRange(item.overObjects)}`,
    `seeds: ${item.perSeed.map((value) => points(value)).join(", ")}`,
  ]
    .filter(Boolean)
    .join("; ");
  return html`<tr>
<th scope="row">${outcomeTitle(item.outcome, outcome)}${item.unit !== outcome.unit && ", by object"}</th>
<td><span class="verdict ${item.verdict}">${VERDICT_WORDS[item.verdict]}</span></td>
<td class="number"><b>${points(item.mean)}</b></td>
<td class="range">${interval}</td>
<td class="glyph">${intervalChart({ ...item, title }, { limit, margin: outcome.margin })}</td>
</tr>`;
}

/** The answer in words, then each question with its paired differences and intervals. */
export const answer: Section = {
  name: "answer",
  navigation: "Answer",
  title: (outcome) => headline(outcome) ?? "What the arms show",
  isShown: () => true,
  render(outcome) {
    const limit = Math.max(
      ...outcomes.map((name) =>
        differenceLimit(
          outcome.comparisons.filter((item) => item.outcome === name),
          outcome.margin,
        ),
      ),
    );
    const asked = outcome.questions.filter(({ name }) =>
      outcome.comparisons.some(({ question }) => question === name),
    );
    // A page of seventeen questions answers none: the one that the headline is about, and the rest on demand.
    const decisive = decisiveQuestion(outcome);
    const isLong = asked.length > MOST_QUESTIONS && decisive !== undefined;
    const shown = isLong ? asked.filter((question) => question === decisive) : asked;
    const folded = asked.filter((question) => !shown.includes(question));
    return html`${evidence(outcome)}
${seedsNote(outcome)}
${caveatsNote(outcome)}
${useNote(outcome)}
${shown.map((question) => questionTable(question, outcome, limit))}
${folded.length > 0 && html`<details><summary>All other questions (${folded.length})</summary>${folded.map((question) => questionTable(question, outcome, limit))}</details>`}
${howToRead(outcome)}`;
  },
};

/** More than these are folded. */
const MOST_QUESTIONS = 6;

function questionTable(question: Question, outcome: Outcome, limit: number): Html {
  const comparisons = outcome.comparisons.filter((item) => item.question === question.name);
  return html`<div class="question">
<h3>${questionTitle(question, outcome)}</h3>
<div class="scroll" tabindex="0" role="region" aria-label="Differences between arms"><table class="comparisons">
<thead><tr><th scope="col">Measured by</th><th scope="col">Answer</th><th scope="col" class="number">Points</th><th scope="col">${percent(outcome.confidence, 0)} % interval</th><th scope="col" class="glyph"><span>worse</span><span>better</span></th></tr></thead>
<tbody>${comparisons.map((item) => row(item, outcome, limit))}</tbody>
<tfoot><tr><td colspan="4"></td><td class="glyph">${intervalAxis({ limit, title: "Scale: difference in points" })}</td></tr></tfoot>
</table></div></div>`;
}

function howToRead({ confidence, margin, detectorReason }: Outcome): Html {
  return html`<details class="how"><summary>How to read this</summary>
<p>Each question compares arms that differ only in it, seed by seed: the same objects to learn from, the same test photos, the same first weights and order of photos. Where several pairs of arms differ in it, it is the main effect: the mean over the arms with it minus the mean over the arms without.</p>
<p><b>Dot</b>: mean difference. <b>Small ticks</b>: the single seeds. <b>Thin line</b>: ${percent(confidence, 0)} % interval over seeds and test objects, which decides the answer (an arrow: it reaches beyond the picture): the variance between seeds and that of a bootstrap over the physical objects of the test, added, with Satterthwaite's degrees of freedom. <b>Thick bar</b>: bootstrap over the objects alone, for these very trainings. <b>By object</b>: the views of an object count as one item, by their mean feature where the detector reads it. <b>Grey band</b>: differences below ${percent(margin)} points, which this study calls no difference. The intervals are not adjusted for the number of questions.</p>
<p>${detectorReason}</p>
</details>`;
}
