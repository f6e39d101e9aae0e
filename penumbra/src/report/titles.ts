import type { Change, Factor, Outcome, Question, Titled } from "../results/index.ts";
import { listed } from "./numbers.ts";
import { joined, translated } from "./words/index.ts";

/** The words for what an outcome names; it carries their titles. */

/** What people call one of the things in a list, in their language; a name that it lacks is an error. */
export function titleOf(things: readonly Titled[], name: string): string {
  const thing = things.find((item) => item.name === name);
  if (!thing) throw new RangeError(`The outcome gives no title for "${name}".`);
  return translated(thing.title);
}

/** "faithful redraws as positives and near-OOD redraws as negatives": what a question adds. */
export function additionsOf(question: Question, outcome: Outcome): string {
  const { positives, negatives } = addedBy(question, outcome);
  return listed([
    ...(positives === undefined ? [] : [`${positives} as positives`]),
    ...(negatives === undefined ? [] : [`${negatives} as ${useOf(question, outcome)}`]),
  ]);
}

/** Whether a question is about more than one kind of synthetic images at once. */
export function isTogether({ changes }: Question): boolean {
  return ["positives", "negatives"].every((factor) => changes.some((change) => change.factor === factor));
}

/** " with SupCon" where a study asks the same of several objectives, else nothing. */
export function objectiveClause({ objective }: Question, { questions, objectives }: Outcome): string {
  const asked = new Set(questions.flatMap((question) => question.objective ?? []));
  return objective === null || asked.size < 2 ? "" : ` with ${titleOf(objectives, objective)}`;
}

/** A question in words. */
export function questionTitle(question: Question, outcome: Outcome): string {
  const [change] = question.changes;
  if (!change) throw new RangeError(`The question "${question.name}" is about nothing.`);
  const clause = objectiveClause(question, outcome);
  if (isTogether(question)) {
    return `Do ${additionsOf(question, outcome)} together beat no synthetic images${clause}?`;
  }
  return QUESTION_WORDS[change.factor](question, outcome, change, clause);
}

type Words = (question: Question, outcome: Outcome, change: Change, clause: string) => string;

const QUESTION_WORDS: Readonly<Record<Factor, Words>> = {
  positives: (question, outcome, _, clause) =>
    `Do ${addedBy(question, outcome).positives} help, as further positives${clause}?`,
  negatives(question, outcome, { from, to }, clause) {
    const { sources } = outcome;
    return from === null
      ? `Do ${titleOf(sources, to)} help, as ${useOf(question, outcome)}${clause}?`
      : `Are ${titleOf(sources, to)} better negatives than ${titleOf(sources, from)}${clause}?`;
  },
  use({ name }, { uses }, { from, to }, clause) {
    if (from === null) throw new RangeError(`The question "${name}" has a use of no images.`);
    return `Are the same images better used as ${titleOf(uses, to)} than as ${titleOf(uses, from)}${clause}?`;
  },
  changes: (_, __, { to }, clause) => `Does training with ${to} help${clause}?`,
  objective({ treatment, control }, { arms }) {
    const side = (names: readonly string[]) =>
      joined(
        names.map((name) => titleOf(arms, name)),
        ", ",
      );
    return `Is ${side(treatment)} better than ${side(control)}, on the same images?`;
  },
};

/** Titles of the images that a question adds. */
function addedBy(
  { changes }: Question,
  { sources }: Outcome,
): { readonly positives?: string; readonly negatives?: string } {
  const added = changes.filter(
    ({ factor, from }) => (factor === "positives" || factor === "negatives") && from === null,
  );
  return Object.fromEntries(added.map(({ factor, to }) => [factor, titleOf(sources, to)]));
}

/** What a question's negatives are used as. */
function useOf({ changes, name }: Question, { uses }: Outcome): string {
  const change = changes.find(({ factor }) => factor === "use");
  if (!change) throw new RangeError(`The question "${name}" does not say what its negatives are used as.`);
  return titleOf(uses, change.to);
}
