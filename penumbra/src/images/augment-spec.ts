import { z } from "zod";

const probability = z.number().min(0).max(1);
const range = (lo: number) =>
  z.tuple([z.number().positive().min(lo), z.number().positive()]).refine(([a, b]) => a <= b, {
    message: "the first number of a range must not be larger than the second",
  });

/**
 * Which random changes `augment` makes. Everything is optional and off when left out.
 * The numbers are limits: each image draws its own value within them.
 */
export const AugmentSpecSchema = z
  .strictObject({
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
    noise: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("Standard deviation of Gaussian noise, pixels being 0..1."),
  })
  .describe("Random changes of each image at each training step.");

export type AugmentSpec = z.input<typeof AugmentSpecSchema>;
