import { z } from "zod";
import { defineDetector, numberOf, requireOption } from "./detector.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

export interface GenOptions {
  /** gamma, above 0; small ones look at all classes alike. Default 0.1. */
  readonly gamma?: number;
  /** M: how many of the most likely classes count. Default 100, or all where there are fewer. */
  readonly classes?: number;
}

/**
 * Generalised entropy, -sum_{m <= M} p_(m)^gamma (1 - p_(m))^gamma over the M largest probabilities (Liu et al. 2023,
 * "GEN: Pushing the limits of softmax-based out-of-distribution detection", eq. 3).
 */
export const gen = defineDetector({
  title: "GEN",
  description: "Generalised entropy of the likeliest classes (Liu et al. 2023)",
  needs: ["logits"],
  fitsOn: "nothing",
  tuning: everyCombination<GenOptions>({
    gamma: candidatesFor(z.number().positive(), "Candidates for the exponent", [0.1, 0.5]),
  }),
  learn: (_, { gamma = 0.1, classes = 100 }: GenOptions) => {
    requireOption("GEN", "gamma", gamma, gamma > 0, "above 0");
    requireOption("GEN", "classes", classes, Number.isInteger(classes) && classes > 0, "a number of classes");
    return { numbers: { gamma, classes }, tensors: {} };
  },
  score: (state, { logits }) => {
    const gamma = numberOf(state, "gamma");
    const counted = Math.min(numberOf(state, "classes"), logits.shape[1] as number);
    const [largest] = logits.softmax(1).topk(counted, { dim: 1 }); // [N, M]
    return largest.pow(gamma).mul(largest.neg().add(1).clampMin(0).pow(gamma)).sum([1]).neg();
  },
});
