import {
  type Comparison,
  FEWEST_DECIDING_SEEDS,
  type Outcome,
  type OutcomeName,
  type Question,
} from "../../results/index.ts";
import { listed } from "../numbers.ts";
import { isTogether } from "../titles.ts";

/** The question that the headline is about: synthetic images of all kinds together against none. */
export function decisiveQuestion({ questions }: Pick<Outcome, "questions">): Question | undefined {
  return questions.find(isTogether);
}

/** What the headline rests on. */
export function decisiveComparisons(
  outcome: Pick<Outcome, "questions" | "comparisons" | "unit">,
): Comparison[] {
  const name = decisiveQuestion(outcome)?.name;
  return outcome.comparisons.filter(({ question, unit }) => question === name && unit === outcome.unit);
}

/**
 * The study's question answered in one sentence, from the verdicts on all synthetic images together and nothing
 * else: what is not decided is called not decided. Null where that comparison was not part of the study.
 */
export function headline(
  outcome: Pick<Outcome, "questions" | "comparisons" | "seeds" | "unit">,
): string | null {
  const seeds = outcome.seeds.length;
  const decisive = decisiveComparisons(outcome);
  const verdict = (name: OutcomeName) => decisive.find((item) => item.outcome === name)?.verdict;
  const accuracy = verdict("accuracy");
  const near = verdict("near");
  if (!accuracy) return null;
  const gains = [
    ...(accuracy === "better" ? ["more accurate"] : []),
    ...(near === "better" ? ["better at saying “unknown” to near unknowns"] : []),
  ];
  const losses = [
    ...(accuracy === "worse" ? ["less accurate"] : []),
    ...(near === "worse" ? ["worse at saying “unknown” to near unknowns"] : []),
  ];
  if (losses.length > 0 && gains.length > 0) {
    return `Mixed: synthetic images made the classifier ${listed(gains)}, but ${listed(losses)}.`;
  }
  if (losses.length > 0) return `No: synthetic images made the classifier ${listed(losses)}.`;
  if (gains.length > 0) {
    const isWhole = accuracy === "better" && (near === "better" || near === undefined);
    return `${isWhole ? "Yes" : "In part"}: synthetic images made the classifier ${listed(gains)}.`;
  }
  if (accuracy === "same" && (near === "same" || near === undefined)) {
    return "No: synthetic images made no difference that matters.";
  }
  return seeds < FEWEST_DECIDING_SEEDS
    ? `Not decided: ${seeds === 1 ? "one seed" : "two seeds"} cannot tell an effect from chance.`
    : "Not decided: chance could explain what this study saw.";
}
