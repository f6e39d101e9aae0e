import { scope } from "@penumbra/torch";
import type { Detector } from "./detector.ts";
import { logitsOf, type Samples } from "./samples.ts";

/**
 * Largest softmax probability, max_c softmax(f / T)_c.
 *
 * Hendrycks and Gimpel 2017 with T = 1; Guo et al. 2017 with another temperature.
 */
export function maxSoftmax(samples: Samples, temperature = 1): Float64Array {
  return scope(() => {
    const probabilities = logitsOf(samples).div(temperature).softmax(1); // [N, C]
    return Float64Array.from(probabilities.amax({ dim: [1] }).toNumbers());
  });
}

/** MSP: the largest softmax probability (Hendrycks and Gimpel 2017). */
export const msp: Detector = {
  title: "MSP",
  description: "Largest softmax probability (Hendrycks and Gimpel 2017)",
  needs: "logits",
  fitsOn: "nothing",
  tuning: null,
  fit: () => ({ fitted: {}, score: (samples) => maxSoftmax(samples) }),
};
