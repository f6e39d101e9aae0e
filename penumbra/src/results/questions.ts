import { type ArmDesign, type Change, type Contrast, FACTORS, type Factor, type Question } from "./design.ts";
import type { Comparison, Difference, OutcomeName, Unit, Verdict } from "./outcome.ts";
import { outcomes } from "./outcome.ts";
import type { Interval } from "./statistics.ts";

/**
 * The questions that these arms can answer, in the order of the report. For each objective: each kind of images as
 * positives, as negatives in each use, both together, the first kind of negatives against each other kind, the first
 * use against each other use, and settings of an arm's own against the study's. Then each objective against the first
 * one named.
 */
export function questionsOf(arms: readonly ArmDesign[]): Question[] {
  const objectives = [...new Set(arms.map(({ objective }) => objective))];
  const ofImages = objectives.flatMap((objective) => {
    const own = arms.filter((arm) => arm.objective === objective);
    return imageChanges(own).flatMap((changes) => questionOf(changes, own, objective));
  });
  const [first = null, ...others] = objectives;
  const ofObjectives = others.flatMap((to) =>
    questionOf([{ factor: "objective", from: first, to }], arms, null),
  );
  return named([...ofImages, ...ofObjectives]);
}

/** What can be asked of the images that these arms have. */
function imageChanges(arms: readonly ArmDesign[]): Change[][] {
  const levels = (factor: Factor) =>
    [...new Set(arms.map((arm) => arm[factor]))].filter((level) => level !== null);
  const added = (factor: Factor, to: string): Change => ({ factor, from: null, to });
  const positives = levels("positives").map((to) => added("positives", to));
  const negatives = levels("negatives").flatMap((source) =>
    levels("use").map((use) => [added("negatives", source), added("use", use)]),
  );
  // The first one named is what the study is about, the others are its controls.
  const instead = (factor: Factor) => {
    const [to, ...others] = levels(factor);
    return to === undefined ? [] : others.map((from): Change => ({ factor, from, to }));
  };
  return [
    ...positives.map((change) => [change]),
    ...negatives,
    ...positives.flatMap((positive) => negatives.map((negative) => [positive, ...negative])),
    ...[...instead("negatives"), ...instead("use")].map((change) => [change]),
    ...levels("changes").map((to) => [added("changes", to)]),
  ];
}

/** The question about these changes, with the pairs of arms that answer it; none where there is no such pair. */
function questionOf(
  changes: readonly Change[],
  arms: readonly ArmDesign[],
  objective: string | null,
): Omit<Question, "name">[] {
  const pairs = arms.flatMap((treatment) => {
    const control = arms.find((other) => differsIn(changes, treatment, other));
    return control ? [{ treatment: treatment.name, control: control.name }] : [];
  });
  if (pairs.length === 0) return [];
  const treatment = pairs.map((pair) => pair.treatment);
  return [{ changes, objective, treatment, control: pairs.map(({ control }) => control) }];
}

/** Names that tell the questions apart, no longer than these questions need: uses and objectives where there are several. */
function named(questions: readonly Omit<Question, "name">[]): Question[] {
  const uses = new Set(
    questions.flatMap(({ changes }) => changes.flatMap(({ factor, to }) => (factor === "use" ? [to] : []))),
  );
  const objectives = new Set(questions.flatMap(({ objective }) => (objective === null ? [] : [objective])));
  return questions.map((question) => {
    const { changes, objective } = question;
    const shown = changes.filter(({ factor, from }) => factor !== "use" || from !== null || uses.size > 1);
    const words = shown.map(({ factor, from, to }) =>
      from === null || factor === "objective" ? `${factor}: ${to}` : `${factor}: ${to} instead of ${from}`,
    );
    const where = objective !== null && objectives.size > 1 ? ` (${objective})` : "";
    return { name: `${words.join(", ")}${where}`, ...question };
  });
}

/** Whether two arms differ in these changes and in nothing else. */
function differsIn(changes: readonly Change[], treatment: ArmDesign, control: ArmDesign): boolean {
  return FACTORS.every((factor) => {
    const change = changes.find((item) => item.factor === factor);
    if (!change) return treatment[factor] === control[factor];
    return treatment[factor] === change.to && control[factor] === change.from;
  });
}

/** Two values say next to nothing about their own spread, and a dozen questions are asked at once. */
export const FEWEST_DECIDING_SEEDS = 3;

/**
 * What an interval over `seeds` says about a difference whose smallest size that matters is `margin`: wholly above
 * zero = better, wholly below = worse, wholly within the margin = the same, anything else = undecided; fewer than
 * three seeds decide nothing.
 */
export function verdictOf(interval: Interval | null, margin: number, seeds: number): Verdict {
  if (!interval || seeds < FEWEST_DECIDING_SEEDS) return "undecided";
  if (interval.low > 0) return "better";
  if (interval.high < 0) return "worse";
  return interval.low > -margin && interval.high < margin ? "same" : "undecided";
}

export interface CompareOptions {
  readonly questions: readonly Question[];
  readonly unit: Unit;
  readonly margin: number;
  /** Null where the figure does not exist (no far unknowns in the folder). */
  readonly judge: (contrast: Contrast, outcome: OutcomeName) => Difference | null;
}

/** All questions on all outcomes that exist. */
export function compareArms({ questions, unit, margin, judge }: CompareOptions): Comparison[] {
  return questions.flatMap((question) =>
    outcomes.flatMap((outcome): Comparison[] => {
      const difference = judge(question, outcome);
      if (!difference) return [];
      const verdict = verdictOf(difference.interval, margin, difference.perSeed.length);
      return [{ question: question.name, outcome, unit, ...difference, verdict }];
    }),
  );
}
