import { z } from "zod";
import { GAN_ARCHITECTURES } from "../../models/index.ts";
import { photoSettings } from "../trainer/photo-settings.ts";
import { ganObjectiveNames } from "./losses.ts";

const Fields = z.strictObject({
  ...photoSettings({
    imageSize: 64,
    steps: 4000,
    batchSize: 16,
    learningRate: 5e-4,
    warmup: 0,
    emaDecay: 0.995,
  }),
  architecture: z
    .enum(GAN_ARCHITECTURES)
    .default("dcgan")
    .describe("dcgan: one convolution a size; residual: blocks of two, slower."),
  latentSize: z.int().positive().default(64).describe("Normal numbers that an image is drawn from."),
  width: z
    .int()
    .positive()
    .multipleOf(8)
    .default(32)
    .describe("Channels at the largest size, a multiple of 8; they double with every halving."),
  objective: z
    .enum(ganObjectiveNames)
    .default("non-saturating")
    .describe("What the networks minimise; wasserstein needs a gradientPenalty (WGAN-GP)."),
  r1: z.number().nonnegative().default(1).describe("Weight of the squared gradient at real images; 0: none."),
  gradientPenalty: z
    .number()
    .nonnegative()
    .default(0)
    .describe("Weight of the penalty on gradients between real and drawn images; 10 in WGAN-GP."),
  discriminatorSteps: z
    .int()
    .positive()
    .default(1)
    .describe("Steps of the discriminator for each of the generator; 5 in WGAN-GP."),
  augment: z
    .boolean()
    .default(true)
    .describe("Differentiable augmentation of what the discriminator sees, for few photos."),
  earlyShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.15)
    .describe("Share of the training after which the weights are kept for early images."),
});
// The difference of means has no bound where nothing holds the gradient.
export const GanSettings = Fields.refine(
  ({ objective, gradientPenalty, r1 }) => objective !== "wasserstein" || gradientPenalty > 0 || r1 > 0,
  {
    path: ["gradientPenalty"],
    message: "wasserstein without a penalty has no bound: give 10, as WGAN-GP does",
  },
);
export type GanSettings = z.output<typeof GanSettings>;
