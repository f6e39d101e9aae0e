import { z } from "zod";

/** Settings that generators with a UNet in pixels have alike. */
export const unetSettings = {
  layersPerBlock: z.int().positive().default(1).describe("Residual blocks a level, one more on the way up."),
  attentionLevels: z
    .int()
    .nonnegative()
    .default(1)
    .describe("How many of the smallest levels have attention."),
  timesteps: z.int().min(2).default(1000),
  sampleSteps: z
    .int()
    .positive()
    .default(25)
    .describe("Steps from pure noise to the image; a strength s takes about s of them."),
} as const;

/**
 * Channels of an attention head: 16 where they divide every level's, else 8. A training step of the default sizes takes a
 * sixth less of a processor's time with 16 than with 8, and no less with 32 (AVX2, fp32).
 */
export function headSize(channels: readonly number[]): number {
  return channels.every((width) => width % 16 === 0) ? 16 : 8;
}

/** What {@link levelsFit} is refused with. */
export const LEVELS_MESSAGE = {
  path: ["channels"],
  message: "each level but the last halves imageSize: give fewer levels",
};

interface UnetSize {
  readonly imageSize: number;
  readonly channels: readonly number[];
  readonly layersPerBlock: number;
}

/** Seconds of a training step of one image: 0.236 s for 16 of them, by the sizes that {@link unetSeconds} begins with. */
const MEASURED = { seconds: 0.236 / 16, imageSize: 32, channels: [32, 64, 96], layersPerBlock: 1 } as const;

/** Seconds that a step takes on one core (AMD EPYC, bf16), by what its convolutions multiply. */
export function unetSeconds(settings: UnetSize & { readonly batchSize: number }): number {
  return (settings.batchSize * MEASURED.seconds * multiplied(settings)) / multiplied(MEASURED);
}

/** In proportion to a UNet's multiply-adds: positions times channels squared, over its levels and their blocks. */
function multiplied({ imageSize, channels, layersPerBlock }: UnetSize): number {
  const levels = channels.map((width, level) => (imageSize / 2 ** level) ** 2 * width ** 2);
  return (2 * layersPerBlock + 1) * levels.reduce((sum, level) => sum + level, 0);
}

/** Whether an image can be halved as often as there are levels after the first. */
export function levelsFit(settings: {
  readonly imageSize: number;
  readonly channels: readonly number[];
}): boolean {
  return settings.imageSize % 2 ** (settings.channels.length - 1) === 0;
}
