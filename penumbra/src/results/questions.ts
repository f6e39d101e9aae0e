import type { Comparison, OutcomeName, Verdict } from "./outcome.ts";
import { outcomes } from "./outcome.ts";
import type { Interval } from "./statistics.ts";
import { mean, pairedDifference } from "./statistics.ts";

/** In what arms differ: the factors of the design. */
export const FACTORS = ["positives", "negatives", "objective"] as const;
export type Factor = (typeof FACTORS)[number];

/** An arm as its level of each factor; null = no synthetic images there. */
export interface ArmDesign extends Readonly<Record<Factor, string | null>> {
  readonly name: string;
  readonly objective: string;
}

/** What a question is about: one factor, from one level to another. */
export interface Change {
  readonly factor: Factor;
  readonly from: string | null;
  readonly to: string;
}

/**
 * A question is a change, and answered by every pair of arms that differ in it only: mean of `treatment` minus mean of
 * `control`, seed by seed. In the 2 x 2 design around SupCon that is the main effect of each kind of redraws:
 * ((faithful - none) + (both - near-ood)) / 2.
 */
export interface Question extends Contrast {
  readonly name: string;
  readonly changes: readonly Change[];
}

export interface Contrast {
  readonly treatment: readonly string[];
  readonly control: readonly string[];
}

/**
 * The questions that these arms can answer, in the order of the report: each kind of images as positives, as
 * negatives, each two of them together, and each objective against the first one named.
 */
export function questionsOf(arms: readonly ArmDesign[]): Question[] {
  return changesOf(arms).flatMap((changes) => {
    const pairs = arms.flatMap((treatment) => {
      const control = arms.find((other) => differsIn(changes, treatment, other));
      return control ? [{ treatment: treatment.name, control: control.name }] : [];
    });
    if (pairs.length === 0) return [];
    return [
      {
        name: changes.map(({ factor, to }) => `${factor}: ${to}`).join(", "),
        changes,
        treatment: pairs.map(({ treatment }) => treatment),
        control: pairs.map(({ control }) => control),
      },
    ];
  });
}

function changesOf(arms: readonly ArmDesign[]): Change[][] {
  const levels = (factor: Factor) =>
    [...new Set(arms.map((arm) => arm[factor]))].filter((level) => level !== null);
  const positives = levels("positives").map((to): Change => ({ factor: "positives", from: null, to }));
  const negatives = levels("negatives").map((to): Change => ({ factor: "negatives", from: null, to }));
  const [first = null, ...others] = levels("objective");
  const objectives = others.map((to): Change => ({ factor: "objective", from: first, to }));
  return [
    ...positives.map((change) => [change]),
    ...negatives.map((change) => [change]),
    ...positives.flatMap((positive) => negatives.map((negative) => [positive, negative])),
    ...objectives.map((change) => [change]),
  ];
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
  readonly seeds: readonly number[];
  readonly confidence: number;
  readonly margin: number;
  /** Figure of an arm at a seed; NaN where it does not exist (no far unknowns in the folder). */
  readonly figure: (outcome: OutcomeName, arm: string, seed: number) => number;
  readonly bootstrap: (outcome: OutcomeName, contrast: Contrast) => Interval | null;
}

/** All questions on all outcomes that exist. */
export function compareArms({
  questions,
  seeds,
  confidence,
  margin,
  figure,
  bootstrap,
}: CompareOptions): Comparison[] {
  return questions.flatMap((question) =>
    outcomes.flatMap((outcome): Comparison[] => {
      const side = (names: readonly string[]) =>
        seeds.map((seed) => mean(names.map((arm) => figure(outcome, arm, seed))));
      const [treatment, control] = [side(question.treatment), side(question.control)];
      if ([...treatment, ...control].some(Number.isNaN)) return [];
      const difference = pairedDifference(treatment, control, confidence);
      return [
        {
          question: question.name,
          outcome,
          perSeed: difference.perSeed,
          mean: difference.mean,
          interval: difference.interval,
          bootstrap: bootstrap(outcome, question),
          verdict: verdictOf(difference.interval, margin, seeds.length),
        },
      ];
    }),
  );
}
