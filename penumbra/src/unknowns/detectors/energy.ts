import { scope } from "@penumbra/torch";
import { UnknownsError } from "../errors.ts";
import type { Detector } from "./detector.ts";
import { logitsOf, type Samples } from "./samples.ts";

export interface EnergyOptions {
  /** T, above 0. Default 1. */
  readonly temperature?: number;
}

/**
 * Negative energy, T ln sum_c exp(f_c / T) (Liu et al. 2020, eq. 4 with the sign turned: higher = more surely known).
 */
export const energy: Detector<EnergyOptions> = {
  title: "Energy",
  description: "Log-sum-exp of the logits (Liu et al. 2020)",
  needs: "logits",
  fitsOn: "nothing",
  tuning: null,
  fit: (_known, { temperature = 1 } = {}) => {
    if (!(temperature > 0)) {
      throw new UnknownsError(
        `The energy's temperature is ${temperature}; it must be above 0. The usual value is 1.`,
      );
    }
    return {
      fitted: { temperature },
      score: (samples: Samples) =>
        scope(() => {
          const negative = logitsOf(samples).div(temperature).logsumexp([1]).mul(temperature); // [N]
          return Float64Array.from(negative.toNumbers());
        }),
    };
  },
};
