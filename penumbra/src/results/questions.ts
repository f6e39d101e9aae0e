import { type Comparison, type OutcomeName, outcomes, type QuestionName, type Verdict } from "./outcome.ts";
import { type Interval, mean, pairedDifference } from "./statistics.ts";

/**
 * A question as a contrast between arms: mean of `treatment` minus mean of `control`, seed by seed. Faithful and
 * near-OOD redraws are judged by their main effect in the 2 x 2 design, which uses all four SupCon arms:
 * ((id - base) + (both - near)) / 2. Where an arm was left out, `fallback` compares the two that remain.
 */
export interface Question {
  readonly name: QuestionName;
  readonly contrasts: readonly Contrast[];
}

export interface Contrast {
  readonly treatment: readonly string[];
  readonly control: readonly string[];
}

/** The study's questions, in the order of the report; of each question's contrasts the first that the arms allow is used. */
export const questions: readonly Question[] = [
  {
    name: "faithful",
    contrasts: [
      { treatment: ["supcon+id", "supcon+both"], control: ["supcon", "supcon+near-ood"] },
      { treatment: ["supcon+id"], control: ["supcon"] },
      { treatment: ["supcon+both"], control: ["supcon+near-ood"] },
    ],
  },
  {
    name: "near-ood",
    contrasts: [
      { treatment: ["supcon+near-ood", "supcon+both"], control: ["supcon", "supcon+id"] },
      { treatment: ["supcon+near-ood"], control: ["supcon"] },
      { treatment: ["supcon+both"], control: ["supcon+id"] },
    ],
  },
  { name: "both", contrasts: [{ treatment: ["supcon+both"], control: ["supcon"] }] },
  { name: "contrastive", contrasts: [{ treatment: ["supcon"], control: ["cross-entropy"] }] },
];

/** The contrast that answers a question with these arms, or undefined where they cannot. */
export function contrastOf(question: Question, arms: readonly string[]): Contrast | undefined {
  return question.contrasts.find(({ treatment, control }) =>
    [...treatment, ...control].every((arm) => arms.includes(arm)),
  );
}

/** Two values say next to nothing about their own spread, and a dozen questions are asked at once. */
export const fewestDecidingSeeds = 3;

/**
 * What an interval over `seeds` says about a difference whose smallest size that matters is `margin`: wholly above
 * zero = better, wholly below = worse, wholly within the margin = the same, anything else = undecided; fewer than
 * three seeds decide nothing.
 */
export function verdictOf(interval: Interval | null, margin: number, seeds: number): Verdict {
  if (!interval || seeds < fewestDecidingSeeds) return "undecided";
  if (interval.low > 0) return "better";
  if (interval.high < 0) return "worse";
  return interval.low > -margin && interval.high < margin ? "same" : "undecided";
}

export interface CompareOptions {
  readonly arms: readonly string[];
  readonly seeds: readonly number[];
  readonly confidence: number;
  readonly margin: number;
  /** Figure of an arm at a seed; NaN where it does not exist (no far unknowns in the folder). */
  readonly figure: (outcome: OutcomeName, arm: string, seed: number) => number;
  readonly bootstrap: (outcome: OutcomeName, contrast: Contrast) => Interval | null;
}

/** All questions that the arms allow, on all outcomes that exist. */
export function compareArms({
  arms,
  seeds,
  confidence,
  margin,
  figure,
  bootstrap,
}: CompareOptions): Comparison[] {
  return questions.flatMap((question) => {
    const contrast = contrastOf(question, arms);
    if (!contrast) return [];
    return outcomes.flatMap((outcome): Comparison[] => {
      const side = (names: readonly string[]) =>
        seeds.map((seed) => mean(names.map((arm) => figure(outcome, arm, seed))));
      const [treatment, control] = [side(contrast.treatment), side(contrast.control)];
      if ([...treatment, ...control].some(Number.isNaN)) return [];
      const difference = pairedDifference(treatment, control, confidence);
      return [
        {
          question: question.name,
          outcome,
          perSeed: difference.perSeed,
          mean: difference.mean,
          interval: difference.interval,
          bootstrap: bootstrap(outcome, contrast),
          verdict: verdictOf(difference.interval, margin, seeds.length),
        },
      ];
    });
  });
}
