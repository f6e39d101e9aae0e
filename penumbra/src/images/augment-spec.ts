import { z } from "zod";

/** Names of the presets; what each is stands in `augment-presets.ts`. */
export const AUGMENT_PRESET_NAMES = ["none", "simclr", "supcon", "gentle"] as const;

const probability = z.number().min(0).max(1);
const range = (lo: number) =>
  z.tuple([z.number().positive().min(lo), z.number().positive()]).refine(([a, b]) => a <= b, {
    message: "the first number of a range must not be larger than the second",
  });

/**
 * Which random changes `augment` makes. Everything is optional, and off or as the preset has it when left out.
 * The numbers are limits: each image draws its own value within them.
 */
export const AugmentSpecSchema = z
  .strictObject({
    preset: z
      .enum(AUGMENT_PRESET_NAMES)
      .optional()
      .describe("What the other settings start from; what is named here counts instead of the preset's."),
    crop: z
      .strictObject({
        scale: range(0).describe("Part of the image's area that is kept, e.g. [0.4, 1]."),
        ratio: range(0)
          .default([3 / 4, 4 / 3])
          .describe("Width / height of the cropped box before it is stretched."),
      })
      .refine(({ scale }) => scale[1] <= 1, {
        path: ["scale"],
        message: "a crop keeps at most all of the image: 1",
      })
      .optional()
      .describe("Random resized crop."),
    flip: probability.optional().describe("Probability of mirroring left and right."),
    rotation: z.number().min(0).max(180).optional().describe("Largest angle in degrees, to both sides."),
    shift: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("Largest shift along each axis, as a part of the side."),
    scale: range(0)
      .optional()
      .describe("Zoom of the content, e.g. [0.8, 1.2]; drawn evenly in its logarithm."),
    shear: z
      .number()
      .min(0)
      .max(60)
      .optional()
      .describe("Largest lean in degrees along each axis, to both sides."),
    perspective: z
      .number()
      .min(0)
      .max(0.9)
      .optional()
      .describe("Largest move of each corner towards the centre, as a part of the half side."),
    randAugment: z
      .strictObject({
        operations: z.int().min(1).max(10).default(2).describe("Operations one after another (N)."),
        magnitude: z.number().min(0).max(30).default(9).describe("How strong each is, 0 to 30 (M)."),
      })
      .optional()
      .describe("RandAugment: operations of position, colour and tone, drawn for each image."),
    brightness: z.number().min(0).optional().describe("b: the factor is drawn from 1 - b to 1 + b."),
    contrast: z.number().min(0).optional().describe("As brightness."),
    saturation: z.number().min(0).optional().describe("As brightness."),
    hue: z.number().min(0).max(0.5).optional().describe("Largest turn of the colour circle, to both sides."),
    jitter: probability
      .optional()
      .describe(
        "Probability that an image gets brightness, contrast, saturation and hue changes at all; 1 when left out.",
      ),
    grayscale: probability.optional().describe("Probability of losing all colour."),
    blur: z
      .strictObject({
        probability: probability.default(0.5).describe("Probability of a blur at all."),
        sigma: range(0)
          .refine(([, most]) => most <= 0.1, { message: "a blur reaches at most a tenth of the side: 0.1" })
          .describe("Width of the bell as a part of the longer side, e.g. [0.001, 0.01]."),
      })
      .optional()
      .describe("Gaussian blur."),
    solarize: z
      .strictObject({
        probability: probability.default(0.5).describe("Probability of it at all."),
        threshold: z.number().min(0).max(1).default(0.5).describe("Values from here on are turned, 0 to 1."),
      })
      .optional()
      .describe("Turns bright values into their negative."),
    posterize: z
      .strictObject({
        probability: probability.default(0.5).describe("Probability of it at all."),
        bits: z.int().min(1).max(8).default(4).describe("Bits of 8 that are kept."),
      })
      .optional()
      .describe("Keeps only the upper bits of each value."),
    equalize: probability
      .optional()
      .describe("Probability of making all levels of a channel equally frequent."),
    noise: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("Standard deviation of Gaussian noise, pixels being 0..1."),
    cutout: z
      .strictObject({
        probability: probability.default(1).describe("Probability of it at all."),
        side: z.number().positive().max(1).describe("Side of the square as a part of the shorter side."),
      })
      .optional()
      .describe("Covers a square with grey; its centre lies anywhere."),
  })
  .describe("Random changes of each image at each training step.");

export type AugmentSpec = z.input<typeof AugmentSpecSchema>;
