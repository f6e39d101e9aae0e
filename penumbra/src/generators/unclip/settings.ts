import { z } from "zod";
import { samplerNames } from "../../diffusion/index.ts";
import { photoSettings } from "../trainer/photo-settings.ts";
import { LEVELS_MESSAGE, levelsFit, unetSettings } from "../trainer/unet-settings.ts";

const share = z.number().min(0).max(1);

const Fields = z.strictObject({
  ...photoSettings({
    imageSize: 32,
    steps: 6000,
    batchSize: 16,
    learningRate: 5e-4,
    warmup: 50,
    emaDecay: 0.998,
  }),
  clipShare: share
    .default(0.2)
    .describe(
      "Share of the training in which the encoders of images and texts are trained, before the rest.",
    ),
  priorShare: share.default(0.1).describe("Share in which the prior is trained, before the decoder."),
  embeddingSize: z
    .int()
    .positive()
    .multipleOf(16)
    .default(64)
    .describe("Numbers that an image or a text becomes, a multiple of 16."),
  clipLayers: z.int().positive().default(3).describe("Transformer layers of each of the two encoders."),
  priorLayers: z.int().positive().default(2).describe("Transformer layers of the prior."),
  textLength: z
    .int()
    .min(4)
    .default(16)
    .describe("Tokens of a text, start and end marks included; longer ones are cut."),
  prompt: z
    .string()
    .regex(/\{\}/, 'write {} where the class is named, as in "a photo of a {}"')
    .default("a photo of a {}")
    .describe("What is said of an image of a class: {} stands for its name, or for the corpus' caption."),
  channels: z
    .array(z.int().positive().multipleOf(8))
    .nonempty()
    .default([32, 64, 96])
    .describe("Channels of the decoder's levels, from the largest image to the smallest; multiples of 8."),
  layersPerBlock: unetSettings.layersPerBlock,
  attentionLevels: unetSettings.attentionLevels,
  viewWeight: z
    .number()
    .nonnegative()
    .default(0.5)
    .describe(
      "Weight of telling photos apart by a changed copy of each (SLIP), beside telling their texts apart: embeddings then say more than the class.",
    ),
  timesteps: unetSettings.timesteps,
  wordDropout: share.default(0.1).describe("Share of the prior's examples without words, for guidance."),
  embeddingDropout: share
    .default(0.1)
    .describe("Share of the decoder's examples without an embedding, for guidance."),
  priorSteps: z.int().positive().default(25).describe("Steps from noise to an embedding."),
  priorGuidance: z
    .number()
    .nonnegative()
    .default(1.5)
    .describe("How much more of the words than the prior says; up to 1 costs half."),
  sampler: z.enum(samplerNames).default("ddpm").describe("The algorithm that decodes."),
  sampleSteps: unetSettings.sampleSteps,
  superResolutionSteps: z
    .int()
    .positive()
    .default(7)
    .describe("Steps in which a published model's super-resolution enlarges what the decoder draws."),
  guidanceScale: z
    .number()
    .nonnegative()
    .default(1.5)
    .describe("How much more of the embedding than the decoder says; up to 1 costs half."),
});

export const UnclipSettings = Fields.refine(levelsFit, LEVELS_MESSAGE).refine(
  ({ clipShare, priorShare }) => clipShare + priorShare < 1,
  {
    path: ["priorShare"],
    message: "clipShare and priorShare leave the decoder nothing: give less",
  },
);
export type UnclipSettings = z.output<typeof UnclipSettings>;
