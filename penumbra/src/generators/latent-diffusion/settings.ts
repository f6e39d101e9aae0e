import { z } from "zod";
import { presets } from "./architectures.ts";

const budget = {
  steps: z.int().positive().describe("Optimiser steps; the learning rate falls to its floor at the end."),
  minutes: z
    .number()
    .positive()
    .optional()
    .describe(
      "Instead of steps: as many as fit into this time at the pace of the first ones on this machine, counted once.",
    ),
  batchSize: z.int().positive(),
  learningRate: z.number().positive(),
  warmup: z.int().nonnegative().describe("Steps of linear rise at the start."),
  weightDecay: z.number().nonnegative(),
};

export const DiscriminatorSettings = z.strictObject({
  weight: z
    .number()
    .nonnegative()
    .default(0)
    .describe(
      "What the judgement of a patch discriminator counts, when it pulls at the decoder's last layer as much as the reconstruction; 0: there is none.",
    ),
  start: z
    .int()
    .nonnegative()
    .default(0)
    .describe("Steps before it begins: it only tells details from blur once there are some."),
  features: z
    .number()
    .nonnegative()
    .default(0)
    .describe(
      "What likeness of photos and what is made of them within its layers counts beside its judgement (10 in pix2pixHD); 0: nothing.",
    ),
  channels: z.int().positive().default(64).describe("Channels of its first layer."),
  detail: z
    .number()
    .nonnegative()
    .default(0)
    .describe(
      "How many times over it sees what differs from the mean of the 3 x 3 pixels around: grain and fine structure are small numbers that it else takes long to look at.",
    ),
  layers: z
    .int()
    .min(1)
    .max(5)
    .default(2)
    .describe("Layers that halve the image: 2 judge patches of 34 pixels, 3 of 70."),
});

export const AutoencoderSettings = z.strictObject({
  ...budget,
  steps: budget.steps.default(20_000),
  batchSize: budget.batchSize.default(32),
  learningRate: budget.learningRate.default(1e-3),
  warmup: budget.warmup.default(100),
  weightDecay: budget.weightDecay.default(0),
  keep: z
    .union([z.boolean(), z.literal("encoder")])
    .default(false)
    .describe(
      "true leaves the autoencoder of --from as it is: only text encoder and UNet are trained on. encoder leaves its latents as they are, so that the UNet stays true to them, and trains its decoder on.",
    ),
  latentNoise: z
    .number()
    .nonnegative()
    .default(0)
    .describe(
      "Largest deviation of noise on the latents that the decoder learns from, so that it does not draw a UNet's errors raw (latents have a deviation near 1); each image draws its own from 0 on.",
    ),
  crop: z.int().positive().default(32).describe("Edge of the random crops, in pixels."),
  fullEvery: z
    .int()
    .nonnegative()
    .default(4)
    .describe(
      "Every so many steps the batch holds whole images instead of crops (a quarter as many for equal cost); 1: always; 0: never.",
    ),
  klWeight: z
    .number()
    .nonnegative()
    .default(2e-4)
    .describe("Weight of the mean KL divergence per latent number."),
  pyramidWeight: z.number().nonnegative().default(1).describe("Weight of the Laplacian-pyramid L1 loss."),
  edgeWeight: z
    .number()
    .nonnegative()
    .default(3)
    .describe("How much more a pixel at an edge counts than one on an even area."),
  discriminator: DiscriminatorSettings.prefault({}),
});

export const DenoiserSettings = z.strictObject({
  ...budget,
  keep: z
    .boolean()
    .default(false)
    .describe(
      "Leaves text encoder and UNet of --from as they are: only the decoder is trained on. Needs autoencoder.keep: encoder.",
    ),
  steps: budget.steps.default(60_000),
  batchSize: budget.batchSize.default(64),
  learningRate: budget.learningRate.default(4e-4),
  warmup: budget.warmup.default(500),
  weightDecay: budget.weightDecay.default(0.01),
  captionDropout: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("Share of samples with an empty caption, for guidance."),
  templateShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('Share of captions "a photo of a X" retold by one of the 27 templates of textual inversion.'),
  flips: z.boolean().default(true).describe("Also learn from mirrored images."),
  minSnr: z
    .number()
    .nonnegative()
    .default(5)
    .describe("gamma of min-SNR weighting (Hang et al. 2023); 0: none."),
  timestepSpacing: z
    .enum(["leading", "trailing", "linspace"])
    .default("leading")
    .describe(
      "Where samplers call the model: with trailing a strength means the same at any number of steps.",
    ),
  predictionType: z.enum(["epsilon", "v_prediction"]).default("epsilon"),
  emaDecay: z.number().min(0).max(1).default(0.9995),
  clipNorm: z.number().positive().default(1),
});

export const PretrainSettings = z.strictObject({
  preset: z.enum(presets).default("mini"),
  seed: z.int().nonnegative().default(0),
  device: z.string().default("cpu"),
  precision: z.enum(["auto", "fp32", "bf16", "fp16"]).default("auto"),
  checkpointMinutes: z.number().nonnegative().default(5),
  sheetMinutes: z.number().nonnegative().default(5),
  logSeconds: z.number().nonnegative().default(10),
  vocabulary: z
    .union([z.literal("clip"), z.int().positive()])
    .default("clip")
    .describe(
      "clip: that of --tokenizer. A number: so many byte pairs at most, learned from the captions (with --from: the model's own).",
    ),
  captionLength: z.int().min(8).default(77).describe("Ids of a caption, for a vocabulary of one's own."),
  limit: z.int().positive().optional().describe("Reads only the first files of the corpus, for trials."),
  autoencoder: AutoencoderSettings.default(() => AutoencoderSettings.parse({})),
  denoiser: DenoiserSettings.default(() => DenoiserSettings.parse({})),
});

export type AutoencoderSettings = z.infer<typeof AutoencoderSettings>;
export type DenoiserSettings = z.infer<typeof DenoiserSettings>;
export type PretrainSettings = z.infer<typeof PretrainSettings>;
