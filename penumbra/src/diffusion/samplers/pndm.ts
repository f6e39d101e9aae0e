import { scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { alphasCumprod, DiffusionError } from "../model/index.ts";
import { ownFields } from "./levels.ts";
import { predictionOf } from "./prediction.ts";
import type { Sampler, Walk } from "./sampler.ts";
import { spacedTimesteps } from "./spacing.ts";

const settings = z.strictObject({});

const Fields = z.looseObject({
  skip_prk_steps: z
    .literal(true, { error: "only true is supported (the Runge-Kutta steps are not)" })
    .optional(),
  rescale_betas_zero_snr: z.literal(false, { error: "only false is supported" }),
});

/**
 * Pseudo numerical methods for diffusion models (Liu et al. 2022) as Stable Diffusion 1.x has been sampled since it was
 * published: linear multistep of order 4 (eq. 12) over DDIM's transfer (eq. 9), without the Runge-Kutta steps. The second
 * timestep comes twice: the first step is taken once more with the mean of both outputs.
 *
 * Where a strength begins in the middle, diffusers, and so this, repeats no timestep: the second call makes the first step
 * again all the same, and from there on samples are one timestep noisier than the denoiser is told. DA-Fusion's redraws
 * are made so.
 */
export const pndm: Sampler & { readonly settings: typeof settings } = {
  title: "PNDM",
  description:
    "linear multistep over DDIM's steps, one call more than steps; Stable Diffusion 1.x (Liu et al. 2022)",
  schedulers: ["PNDMScheduler"],
  settings,
  timesteps: (config, steps) => {
    ownFields(Fields, config, "PNDM");
    const spaced = spacedTimesteps(config, steps);
    return [...spaced.slice(0, 2), ...spaced.slice(1)];
  },
  needsNoise: () => false,
  step: (walk, { sample, output, index, history }) => {
    const { config, steps, timesteps, start } = walk;
    const timestep = timesteps[index] as number;
    const stride = Math.floor(config.num_train_timesteps / steps);
    const call = index - start;
    return scope(() => {
      if (call === 1) {
        const [first, before] = history as [Tensor, Tensor];
        const mean = output.add(first).div(2);
        return { sample: transfer(walk, before, mean, timestep + stride, timestep), history: [first] };
      }
      const outputs = [...history.slice(-3), output];
      const next = transfer(walk, sample, multistep(outputs), timestep, timestep - stride);
      return { sample: next, history: call === 0 ? [output, sample] : outputs };
    });
  },
};

/** Adams-Bashforth of the order that the outputs, latest last, allow. */
function multistep(outputs: readonly Tensor[]): Tensor {
  const [e0, e1, e2, e3] = [...outputs].reverse() as [Tensor, Tensor, Tensor, Tensor];
  switch (outputs.length) {
    case 1:
      return e0;
    case 2:
      return e0.mul(3).sub(e1).div(2);
    case 3:
      return e0.mul(23).sub(e1.mul(16)).add(e2.mul(5)).div(12);
    default:
      return e0.mul(55).sub(e1.mul(59)).add(e2.mul(37)).sub(e3.mul(9)).div(24);
  }
}

/** Eq. 9. As in diffusers, outputs of another kind than noise are turned into noise after they were combined. */
function transfer({ config }: Walk, sample: Tensor, output: Tensor, from: number, to: number): Tensor {
  const alphas = alphasCumprod(config);
  const abar = at(alphas, from);
  const beyond = config.set_alpha_to_one ? 1 : (alphas[0] as number);
  const next = to >= 0 ? (alphas[to] as number) : beyond;
  const { eps } = predictionOf(config, sample, output, abar);
  const share = abar * Math.sqrt(1 - next) + Math.sqrt(abar * (1 - abar) * next);
  return sample.mul(Math.sqrt(next / abar)).sub(eps.mul((next - abar) / share));
}

function at(alphas: Float64Array, timestep: number): number {
  const abar = alphas[timestep];
  if (abar !== undefined) return abar;
  throw new DiffusionError(
    `PNDM's second step would begin at timestep ${timestep}, after the last one, ${alphas.length - 1}. Choose another number of steps.`,
  );
}
