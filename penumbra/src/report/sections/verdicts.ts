import type { Comparison, HypothesisResult, HypothesisVerdict, Verdict } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { points, pointsRange } from "../numbers.ts";

/** The words for what a comparison says. */
export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  better: "Yes, better",
  worse: "No, worse",
  same: "No difference",
  undecided: "Not decided",
};

/** The words for what becomes of a hypothesis. */
export const HYPOTHESIS_WORDS: Readonly<Record<HypothesisVerdict, string>> = {
  supported: "Supported",
  contradicted: "Contradicted",
  equivalent: "No difference",
  undecided: "Not decided",
};

/** The colours of the answer's verdicts. */
export const HYPOTHESIS_LOOKS: Readonly<Record<HypothesisVerdict, Verdict>> = {
  supported: "better",
  contradicted: "worse",
  equivalent: "same",
  undecided: "undecided",
};

/** A verdict with the difference that it is about: what stands in a cell of a table. */
export function hypothesisCell(item: HypothesisResult): Html {
  return cell(HYPOTHESIS_LOOKS[item.verdict], HYPOTHESIS_WORDS[item.verdict], item);
}

/** As {@link hypothesisCell}, of the answer to a question. */
export function comparisonCell(item: Comparison): Html {
  return cell(item.verdict, VERDICT_WORDS[item.verdict], item);
}

function cell(
  looks: Verdict,
  words: string,
  { mean, interval }: Pick<Comparison, "mean" | "interval">,
): Html {
  return html`<span class="verdict ${looks}">${words}</span> <b class="nowrap">${points(mean)}</b> <span class="range">${interval && pointsRange(interval)}</span>`;
}
