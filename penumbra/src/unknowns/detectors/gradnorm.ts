import { defineDetector } from "./detector.ts";

/**
 * GradNorm: the L1 norm of the gradient of sum_c -ln p_c by the classifier's weights (Huang et al. 2021, "On the
 * importance of gradients for detecting distributional shifts in the wild"). That gradient is (C p - 1) h', so the norm
 * is |C p - 1|_1 |h|_1 and needs no backward pass.
 */
export const gradnorm = defineDetector({
  title: "GradNorm",
  description: "Size of the gradient towards uniform probabilities (Huang et al. 2021)",
  needs: ["features", "logits"],
  fitsOn: "nothing",
  tuning: null,
  learn: () => ({ numbers: {}, tensors: {} }),
  score: (_, { features, logits }) => {
    const classes = logits.shape[1] as number;
    return logits
      .softmax(1)
      .mul(classes)
      .sub(1)
      .abs()
      .sum([1])
      .mul(features.abs().sum([1]));
  },
});
