import { defineDetector } from "./detector.ts";

/** Negative entropy of the softmax, sum_c p_c ln p_c, in nats: 0 = sure, -ln C = no idea. */
export const entropy = defineDetector({
  title: "Entropy",
  description: "Negative entropy of the softmax probabilities",
  needs: ["logits"],
  fitsOn: "nothing",
  tuning: null,
  learn: () => ({ numbers: {}, tensors: {} }),
  score: (_, { logits }) => logits.softmax(1).mul(logits.logSoftmax(1)).sum([1]),
});
