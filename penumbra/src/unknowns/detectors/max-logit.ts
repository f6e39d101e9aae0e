import { defineDetector } from "./detector.ts";

/** The largest logit, max_c f_c (Hendrycks et al. 2022, "Scaling out-of-distribution detection for real-world settings"). */
export const maxLogit = defineDetector({
  title: "Max logit",
  description: "Largest logit (Hendrycks et al. 2022)",
  needs: ["logits"],
  fitsOn: "nothing",
  tuning: null,
  learn: () => ({ numbers: {}, tensors: {} }),
  score: (_, { logits }) => logits.amax({ dim: [1] }),
});
