import type { Tensor } from "@penumbra/torch";
import { defineDetector, numberOf, requireOption } from "./detector.ts";

export interface EnergyOptions {
  /** T, above 0. Default 1. */
  readonly temperature?: number;
}

/** T ln sum_c exp(f_c / T), [N, C] -> [N]. */
export function negativeEnergy(logits: Tensor, temperature = 1): Tensor {
  return logits.div(temperature).logsumexp([1]).mul(temperature);
}

/**
 * Negative energy, T ln sum_c exp(f_c / T) (Liu et al. 2020, eq. 4 with the sign turned: higher = more surely known).
 */
export const energy = defineDetector({
  title: "Energy",
  description: "Log-sum-exp of the logits (Liu et al. 2020)",
  needs: ["logits"],
  fitsOn: "nothing",
  tuning: null,
  learn: (_, { temperature = 1 }: EnergyOptions) => {
    requireOption("Energy", "temperature", temperature, temperature > 0, "above 0; the usual value is 1");
    return { numbers: { temperature }, tensors: {} };
  },
  score: (state, { logits }) => negativeEnergy(logits, numberOf(state, "temperature")),
});
