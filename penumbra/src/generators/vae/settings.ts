import { z } from "zod";
import { photoSettings } from "../trainer/photo-settings.ts";
import { likelihoodNames } from "./losses.ts";

const shape = {
  ...photoSettings({
    imageSize: 64,
    steps: 4000,
    batchSize: 32,
    learningRate: 1e-3,
    warmup: 50,
    emaDecay: 0.99,
  }),
  latentSize: z.int().positive().default(64).describe("Numbers that an image becomes."),
  width: z
    .int()
    .positive()
    .multipleOf(8)
    .default(32)
    .describe("Channels at the largest size, a multiple of 8; they double with every halving."),
  reconstruction: z
    .enum(likelihoodNames)
    .default("mse")
    .describe("mse and l1: the error's square or amount; bernoulli: brightness as a probability."),
  beta: z
    .number()
    .nonnegative()
    .default(0.02)
    .describe(
      "Weight of the KL divergence: 1 is the ELBO of pixels of deviation 1, s^2 that of deviation s (of a range of 2); more a beta-VAE, 0 a plain autoencoder.",
    ),
  freeBits: z
    .number()
    .nonnegative()
    .default(0)
    .describe("KL divergence in nats that each latent number may have for nothing."),
};

export const VaeSettings = z.strictObject(shape);
export type VaeSettings = z.output<typeof VaeSettings>;
/** The same without a prior: what is minimised is the reconstruction alone. */
export const AutoencoderOnlySettings = z.strictObject({ ...shape, beta: z.literal(0).default(0) });
