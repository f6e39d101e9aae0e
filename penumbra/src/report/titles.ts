import type { Factor, Outcome, Question, Titled } from "../results/index.ts";

/** The words for what an outcome names; it carries their titles. */

/** What people call one of the things in a list; a name that it lacks is an error. */
export function titleOf(things: readonly Titled[], name: string): string {
  const thing = things.find((item) => item.name === name);
  if (!thing) throw new RangeError(`The outcome gives no title for "${name}".`);
  return thing.title;
}

/** "faithful redraws as positives and near-OOD redraws as negatives": what a question adds. */
export function additionsOf({ changes }: Question, { sources }: Outcome): string {
  return changes.map(({ factor, to }) => `${titleOf(sources, to)} as ${factor}`).join(" and ");
}

/** Whether a question is about more than one kind of synthetic images at once. */
export function isTogether({ changes }: Question): boolean {
  return changes.length > 1;
}

/** A question in words. */
export function questionTitle(question: Question, outcome: Outcome): string {
  const [change] = question.changes;
  if (!change) throw new RangeError(`The question "${question.name}" is about nothing.`);
  if (isTogether(question)) {
    return `Do ${additionsOf(question, outcome)} together beat no synthetic images?`;
  }
  return QUESTION_WORDS[change.factor](question, outcome);
}

const QUESTION_WORDS: Readonly<Record<Factor, (question: Question, outcome: Outcome) => string>> = {
  positives: ({ changes }, { sources }) => `Do ${changedTo(changes, sources)} help, as further positives?`,
  negatives: ({ changes }, { sources }) => `Do ${changedTo(changes, sources)} help, as negatives only?`,
  objective: ({ treatment, control }, { arms }) => {
    const side = (names: readonly string[]) => names.map((name) => titleOf(arms, name)).join(", ");
    return `Is ${side(treatment)} better than ${side(control)}, on the same images?`;
  },
};

function changedTo(changes: Question["changes"], sources: readonly Titled[]): string {
  return changes.map(({ to }) => titleOf(sources, to)).join(" and ");
}
