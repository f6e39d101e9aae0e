import { scope } from "@penumbra/torch";
import { z } from "zod";
import { neededNoise } from "./ddpm.ts";
import { eulerNoise, eulerTimesteps, nextAlpha } from "./euler.ts";
import { sigmaOf, solverAlpha } from "./levels.ts";
import { predictionOf } from "./prediction.ts";
import type { Sampler } from "./sampler.ts";

const settings = z.strictObject({});

/**
 * Euler's method with new noise in each step (k-diffusion's `sample_euler_ancestral`): it goes down to sigma_down and
 * comes up again by noise of sigma_up, sigma_up^2 = sigma_s^2 (sigma_t^2 - sigma_s^2) / sigma_t^2.
 */
export const eulerAncestral: Sampler & { readonly settings: typeof settings } = {
  title: "Euler ancestral",
  description:
    "Euler's method with new noise in each step: more varied, never the same at other numbers of steps",
  schedulers: ["EulerAncestralDiscreteScheduler"],
  settings,
  timesteps: eulerTimesteps,
  alphaAt: solverAlpha,
  initialNoise: eulerNoise,
  needsNoise: () => true,
  step: ({ config, timesteps }, { sample, output, index, noise }) => {
    const abar = solverAlpha(config, timesteps[index] as number);
    const next = nextAlpha(config, timesteps[index + 1]);
    const [from, to] = [sigmaOf(abar), sigmaOf(next)];
    const up = Math.sqrt((to ** 2 * (from ** 2 - to ** 2)) / from ** 2);
    const down = Math.sqrt(Math.max(to ** 2 - up ** 2, 0));
    const scale = Math.sqrt(next);
    return {
      sample: scope(() => {
        const { image, eps } = predictionOf(config, sample, output, abar);
        const mean = image.mul(scale).add(eps.mul(down * scale));
        return up > 0 ? mean.add(neededNoise(noise).mul(up * scale)) : mean;
      }),
      history: [],
    };
  },
};
