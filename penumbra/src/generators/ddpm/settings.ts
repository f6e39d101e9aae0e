import { z } from "zod";
import { samplerNames } from "../../diffusion/index.ts";
import { photoSettings } from "../trainer/photo-settings.ts";

const Fields = z.strictObject({
  ...photoSettings({
    imageSize: 32,
    steps: 6000,
    batchSize: 16,
    learningRate: 5e-4,
    warmup: 100,
    emaDecay: 0.998,
  }),
  channels: z
    .array(z.int().positive().multipleOf(8))
    .nonempty()
    .default([32, 64, 96])
    .describe("Channels of the UNet's levels, from the largest image to the smallest; multiples of 8."),
  layersPerBlock: z.int().positive().default(1).describe("Residual blocks a level, one more on the way up."),
  attentionLevels: z
    .int()
    .nonnegative()
    .default(1)
    .describe("How many of the smallest levels have attention."),
  predictionType: z.enum(["epsilon", "v_prediction"]).default("epsilon"),
  noiseSchedule: z
    .enum(["linear", "cosine"])
    .default("cosine")
    .describe(
      "How noise grows: linear in the variance (Ho et al.), or a squared cosine (Nichol and Dhariwal).",
    ),
  timesteps: z.int().min(2).default(1000),
  variance: z
    .enum(["fixed", "learned"])
    .default("fixed")
    .describe("Of DDPM's steps: the posterior's, or learned between its bounds."),
  labelDropout: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("Share of the images whose class is not told, for guidance."),
  earlyShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.15)
    .describe("Share of the training after which the weights are kept for early images."),
  sampler: z.enum(samplerNames).default("ddim").describe("The algorithm that draws."),
  sampleSteps: z
    .int()
    .positive()
    .default(25)
    .describe("Steps from pure noise to the image; a strength s takes about s of them."),
  guidanceScale: z
    .number()
    .nonnegative()
    .default(1.5)
    .describe("How much more of the class than the network says; up to 1 costs half."),
});

export const DdpmSettings = Fields.refine(
  ({ imageSize, channels }) => imageSize % 2 ** (channels.length - 1) === 0,
  { path: ["channels"], message: "each level but the last halves imageSize: give fewer levels" },
);
export type DdpmSettings = z.output<typeof DdpmSettings>;
