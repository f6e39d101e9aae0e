import * as torch from "@penumbra/torch";
import { defineDetector, numberOf, tensorOf } from "./detector.ts";
import { WITHOUT_MATRIX_PRODUCT } from "./samples.ts";

export interface FdbdOptions {
  /** What the distances are divided by: the feature's distance to the training mean, or its length. Default "distance". */
  readonly divideBy?: "distance" | "length";
}

/**
 * fDBD: the distances of a feature to the decision boundaries of its class c, the sum of |f_c - f_k| / |w_c - w_k| over
 * the other classes k (the paper's mean times C - 1, as OpenOOD has it), divided by its distance to the mean of the training features (Liu and Qin 2024, "Fast decision
 * boundary based out-of-distribution detector", eq. 5).
 */
export const fdbd = defineDetector({
  title: "fDBD",
  description: "Distance to the decision boundaries (Liu and Qin 2024)",
  needs: ["features", "logits", "classifier"],
  fitsOn: "train",
  tuning: null,
  learn: ({ features }, { divideBy = "distance" }: FdbdOptions) => ({
    numbers: { dividesByDistance: Number(divideBy === "distance") },
    tensors: { mean: features.mean([0], { keepdim: true }) }, // [1, D]
  }),
  score: (state, { features, logits, classifier: { weight } }) => {
    const classes = logits.shape[1] as number;
    const [largest, called] = logits.max(1, { keepdim: true }); // [N, 1]
    const gaps = torch
      .cdist(weight, weight, { computeMode: WITHOUT_MATRIX_PRODUCT })
      .indexSelect(0, called.flatten()); // [N, C]
    const isOther = torch.arange(classes).unsqueeze(0).ne(called); // [N, C]
    const distances = largest.sub(logits).div(gaps.maskedFill(isOther.logicalNot(), 1)); // 0 for the own class
    const from = numberOf(state, "dividesByDistance") ? features.sub(tensorOf(state, "mean")) : features;
    return distances.sum([1]).div(from.linalgVectorNorm({ dim: [1] }).clampMin(1e-12));
  },
});
