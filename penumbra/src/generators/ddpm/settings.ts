import { z } from "zod";
import { samplerNames } from "../../diffusion/index.ts";
import { photoSettings } from "../trainer/photo-settings.ts";
import { LEVELS_MESSAGE, levelsFit, unetSettings } from "../trainer/unet-settings.ts";

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
  layersPerBlock: unetSettings.layersPerBlock,
  attentionLevels: unetSettings.attentionLevels,
  predictionType: z.enum(["epsilon", "v_prediction"]).default("epsilon"),
  noiseSchedule: z
    .enum(["linear", "cosine"])
    .default("cosine")
    .describe(
      "How noise grows: linear in the variance (Ho et al.), or a squared cosine (Nichol and Dhariwal).",
    ),
  timesteps: unetSettings.timesteps,
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
  sampleSteps: unetSettings.sampleSteps,
  guidanceScale: z
    .number()
    .nonnegative()
    .default(1.5)
    .describe("How much more of the class than the network says; up to 1 costs half."),
});

export const DdpmSettings = Fields.refine(levelsFit, LEVELS_MESSAGE);
export type DdpmSettings = z.output<typeof DdpmSettings>;
