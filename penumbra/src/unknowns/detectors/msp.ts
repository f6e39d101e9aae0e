import type { Tensor } from "@penumbra/torch";
import { defineDetector } from "./detector.ts";

/**
 * Largest softmax probability, max_c softmax(f / T)_c.
 *
 * Hendrycks and Gimpel 2017 with T = 1; Guo et al. 2017 with another temperature.
 *
 * @param logits f, [N, C]
 * @returns [N]
 */
export function maxSoftmax(logits: Tensor, temperature = 1): Tensor {
  return logits
    .div(temperature)
    .softmax(1)
    .amax({ dim: [1] });
}

/** MSP: the largest softmax probability (Hendrycks and Gimpel 2017). */
export const msp = defineDetector({
  title: "MSP",
  description: "Largest softmax probability (Hendrycks and Gimpel 2017)",
  needs: ["logits"],
  fitsOn: "nothing",
  tuning: null,
  learn: () => ({ numbers: {}, tensors: {} }),
  score: (_, { logits }) => maxSoftmax(logits),
});
