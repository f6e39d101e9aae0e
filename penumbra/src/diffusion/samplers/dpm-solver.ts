import { scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { alphasCumprod, type SchedulerConfig } from "../model/index.ts";
import { nextAlpha } from "./euler.ts";
import { lambdaOf, ownFields, solverAlpha } from "./levels.ts";
import { predictionOf } from "./prediction.ts";
import type { Sampler } from "./sampler.ts";
import { solverTimesteps } from "./spacing.ts";

const settings = z.strictObject({});

const off = z.literal(false, { error: "only false is supported" }).nullish();
const Fields = z.looseObject({
  algorithm_type: z
    .literal("dpmsolver++", { error: 'only "dpmsolver++" is supported' })
    .default("dpmsolver++"),
  solver_order: z.union([z.literal(1), z.literal(2)], { error: "only 1 and 2 are supported" }).default(2),
  solver_type: z.enum(["midpoint", "heun"]).default("midpoint"),
  lower_order_final: z.boolean().default(true),
  euler_at_final: z.boolean().default(false),
  final_sigmas_type: z.enum(["zero", "sigma_min"]).default("zero"),
  lambda_min_clipped: z.number().nullish(),
  use_karras_sigmas: off,
  use_exponential_sigmas: off,
  use_beta_sigmas: off,
  use_lu_lambdas: off,
  use_flow_sigmas: off,
});

const fieldsOf = (config: SchedulerConfig) => ownFields(Fields, config, "DPM-Solver++");

/** diffusers takes the last steps by a lower order where there are fewer than this. */
const FEW_STEPS = 15;

/**
 * DPM-Solver++(2M): multistep of order 2 in the predicted image and half the logarithm of the signal-to-noise ratio, lambda
 * (Lu et al. 2022, "DPM-Solver++", algorithm 2): x_t = sigma_t / sigma_s x_s - alpha_t (e^-h - 1) D, h = lambda_t - lambda_s.
 */
export const dpmSolver: Sampler & { readonly settings: typeof settings } = {
  title: "DPM-Solver++ 2M",
  description:
    "multistep of order 2 in the predicted image: 20 steps do what DDIM needs 50 for (Lu et al. 2022)",
  schedulers: ["DPMSolverMultistepScheduler"],
  settings,
  maxSteps: (config) => config.num_train_timesteps - 1,
  timesteps: (config, steps) => solverTimesteps(config, steps, usedTimesteps(config)),
  alphaAt: solverAlpha,
  needsNoise: () => false,
  step: ({ config, timesteps, start }, { sample, output, index, history }) => {
    const fields = fieldsOf(config);
    const abar = solverAlpha(config, timesteps[index] as number);
    const isLast = index === timesteps.length - 1;
    const lowest = alphasCumprod(config)[0] as number;
    const next =
      isLast && fields.final_sigmas_type === "sigma_min" ? lowest : nextAlpha(config, timesteps[index + 1]);
    const isFew = fields.lower_order_final && timesteps.length < FEW_STEPS;
    const isFirstOrder =
      fields.solver_order === 1 ||
      index === start ||
      (isLast && (fields.euler_at_final || isFew || fields.final_sigmas_type === "zero"));
    return scope(() => {
      const { image } = predictionOf(config, sample, output, abar);
      const h = lambdaOf(next) - lambdaOf(abar);
      const decay = Math.sqrt(next) * (Math.exp(-h) - 1);
      const mean = sample.mul(Math.sqrt((1 - next) / (1 - abar))).sub(image.mul(decay));
      if (isFirstOrder) return { sample: mean, history: [image] };
      const before = solverAlpha(config, timesteps[index - 1] as number);
      const r = (lambdaOf(abar) - lambdaOf(before)) / h;
      const slope = image.sub(history[0] as Tensor).div(r);
      const weight = fields.solver_type === "midpoint" ? -decay / 2 : decay / h + Math.sqrt(next);
      return { sample: mean.add(slope.mul(weight)), history: [image] };
    });
  },
};

/** How many timesteps, from the cleanest, have a lambda that is not clipped. */
function usedTimesteps(config: SchedulerConfig): number {
  const { lambda_min_clipped: least } = fieldsOf(config);
  if (least === undefined || least === null) return config.num_train_timesteps;
  return config.num_train_timesteps - alphasCumprod(config).filter((abar) => lambdaOf(abar) < least).length;
}
