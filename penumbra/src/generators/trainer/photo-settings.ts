import { z } from "zod";

/** What every generator that learns from photos has settings for, with one's own defaults. */
export function photoSettings(defaults: {
  readonly imageSize: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly emaDecay: number;
}) {
  return {
    imageSize: z
      .int()
      .min(16)
      .multipleOf(8)
      .default(defaults.imageSize)
      .describe("Edge of its images in pixels, a multiple of 8."),
    seed: z.int().nonnegative().default(0),
    device: z.string().default("cpu"),
    precision: z.enum(["auto", "fp32", "bf16", "fp16"]).default("auto"),
    steps: z
      .int()
      .positive()
      .default(defaults.steps)
      .describe("Optimiser steps; the learning rate falls to its floor at the end."),
    minutes: z
      .number()
      .positive()
      .optional()
      .describe(
        "Instead of steps: as many as fit into this time on this machine, as the first ones show. They are counted once and written into the model; steps: repeats them elsewhere.",
      ),
    batchSize: z.int().positive().default(defaults.batchSize),
    learningRate: z.number().positive().default(defaults.learningRate),
    warmup: z.int().nonnegative().default(defaults.warmup).describe("Steps of linear rise at the start."),
    emaDecay: z
      .number()
      .min(0)
      .max(1)
      .default(defaults.emaDecay)
      .describe("Share of the old averages of the weights that a step keeps; the averages draw."),
    conditional: z
      .boolean()
      .default(true)
      .describe("Whether the networks are told the class; without, all classes are one."),
    flips: z.boolean().default(true).describe("Also learn from mirrored images."),
    checkpointMinutes: z.number().nonnegative().default(5),
    sheetMinutes: z.number().nonnegative().default(5),
    logSeconds: z.number().nonnegative().default(10),
    limit: z.int().positive().optional().describe("Reads only the first files of the corpus, for trials."),
  };
}

export type PhotoSettings = z.output<ReturnType<typeof objectOf>>;
const objectOf = () =>
  z.strictObject(
    photoSettings({ imageSize: 64, steps: 1, batchSize: 1, learningRate: 1, warmup: 0, emaDecay: 0 }),
  );
