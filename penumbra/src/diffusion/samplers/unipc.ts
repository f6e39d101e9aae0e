import { scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { alphasCumprod, type SchedulerConfig } from "../model/index.ts";
import { nextAlpha } from "./euler.ts";
import { lambdaOf, ownFields, solverAlpha } from "./levels.ts";
import { predictionOf } from "./prediction.ts";
import type { Sampler, Walk } from "./sampler.ts";
import { solverTimesteps } from "./spacing.ts";

const settings = z.strictObject({});

const off = z.literal(false, { error: "only false is supported" }).nullish();
const Fields = z.looseObject({
  predict_x0: z.literal(true, { error: "only true is supported" }).default(true),
  solver_order: z.union([z.literal(1), z.literal(2)], { error: "only 1 and 2 are supported" }).default(2),
  solver_type: z.enum(["bh1", "bh2"]).default("bh2"),
  solver_p: z.null({ error: "only null is supported" }).default(null),
  lower_order_final: z.boolean().default(true),
  disable_corrector: z.array(z.int()).default([]),
  final_sigmas_type: z.enum(["zero", "sigma_min"]).default("zero"),
  use_karras_sigmas: off,
  use_exponential_sigmas: off,
  use_beta_sigmas: off,
  use_flow_sigmas: off,
});
type Fields = z.output<typeof Fields>;

const fieldsOf = (config: SchedulerConfig) => ownFields(Fields, config, "UniPC");

/**
 * UniPC of order 2 (Zhao et al. 2023, algorithms 5 to 8, data prediction): each call of the denoiser first corrects the
 * sample that it was called for (UniC), then predicts the next one (UniP).
 *
 * The history is the corrected sample of the step before and the images predicted so far, latest first.
 */
export const unipc: Sampler & { readonly settings: typeof settings } = {
  title: "UniPC",
  description: "predictor and corrector of order 2: good from about 10 steps on (Zhao et al. 2023)",
  schedulers: ["UniPCMultistepScheduler"],
  settings,
  maxSteps: (config) => config.num_train_timesteps - 1,
  timesteps: (config, steps) => {
    fieldsOf(config);
    return solverTimesteps(config, steps);
  },
  alphaAt: solverAlpha,
  needsNoise: () => false,
  step: (walk, { sample, output, index, history }) => {
    const { config, start, timesteps } = walk;
    const fields = fieldsOf(config);
    return scope(() => {
      const { image } = predictionOf(config, sample, output, solverAlpha(config, timesteps[index] as number));
      const [last, ...images] = history;
      const isCorrected = index > start && !fields.disable_corrector.includes(index - 1);
      const corrected =
        isCorrected && last
          ? correct(walk, fields, { last, images, image, index, order: orderAt(walk, fields, index - 1) })
          : sample;
      const known = [image, ...images].slice(0, fields.solver_order);
      const next = predict(walk, fields, {
        ...{ sample: corrected, images: known, index, order: orderAt(walk, fields, index) },
      });
      return { sample: next, history: [corrected, ...known] };
    });
  },
};

function orderAt({ timesteps, start }: Walk, fields: Fields, index: number): number {
  const left = fields.lower_order_final ? timesteps.length - index : fields.solver_order;
  return Math.min(fields.solver_order, left, index - start + 1);
}

/** What both halves have in common about the way from one timestep to the next. */
function way({ config, timesteps }: Walk, fields: Fields, index: number) {
  const abar = solverAlpha(config, timesteps[index] as number);
  const isLast = index === timesteps.length - 1;
  const lowest = alphasCumprod(config)[0] as number;
  const next =
    isLast && fields.final_sigmas_type === "sigma_min" ? lowest : nextAlpha(config, timesteps[index + 1]);
  const h = lambdaOf(next) - lambdaOf(abar);
  const phi1 = Math.expm1(-h);
  const phi2 = phi1 / -h - 1;
  const phi3 = phi2 / -h - 1 / 2;
  const scale = fields.solver_type === "bh1" ? -h : phi1; // B(h)
  /** How far the step before lies back, in units of this one; negative. */
  const back = () => (lambdaOf(solverAlpha(config, timesteps[index - 1] as number)) - lambdaOf(abar)) / h;
  return { abar, next, phi1, b: [phi2 / scale, (2 * phi3) / scale] as const, scale, back };
}

function predict(
  walk: Walk,
  fields: Fields,
  given: { sample: Tensor; images: readonly Tensor[]; index: number; order: number },
): Tensor {
  const { sample, images, index, order } = given;
  const { abar, next, phi1, scale, back } = way(walk, fields, index);
  const [image, before] = images as [Tensor, Tensor];
  const signal = Math.sqrt(next);
  const mean = sample.mul(Math.sqrt((1 - next) / (1 - abar))).sub(image.mul(signal * phi1));
  // Of order 2 both papers' and diffusers' weight is a half, for either B.
  return order === 1 ? mean : mean.sub(before.sub(image).mul((signal * scale) / 2 / back()));
}

function correct(
  walk: Walk,
  fields: Fields,
  given: { last: Tensor; images: readonly Tensor[]; image: Tensor; index: number; order: number },
): Tensor {
  const { last, images, image, index, order } = given;
  const { abar, next, phi1, b, scale, back } = way(walk, fields, index - 1);
  const [anchor, before] = images as [Tensor, Tensor];
  const signal = Math.sqrt(next);
  const mean = last.mul(Math.sqrt((1 - next) / (1 - abar))).sub(anchor.mul(signal * phi1));
  const step = image.sub(anchor);
  if (order === 1) return mean.sub(step.mul((signal * scale) / 2));
  // rho: [[1, 1], [r, 1]] rho = b
  const r = back();
  const first = (b[0] - b[1]) / (1 - r);
  const slope = before.sub(anchor).mul(first / r);
  return mean.sub(slope.add(step.mul(b[0] - first)).mul(signal * scale));
}
