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

/** What {@link levelsFit} is refused with. */
export const LEVELS_MESSAGE = {
  path: ["channels"],
  message: "each level but the last halves imageSize: give fewer levels",
};

/** Whether an image can be halved as often as there are levels after the first. */
export function levelsFit(settings: {
  readonly imageSize: number;
  readonly channels: readonly number[];
}): boolean {
  return settings.imageSize % 2 ** (settings.channels.length - 1) === 0;
}
