import type { RawConfig } from "../../models/index.ts";

/** Side of the latents of Stable Diffusion 1.x, 2.x-base and Turbo: what a configuration means that says none. */
const USUAL_SIDE = 64;

/**
 * Side in pixels of the images that a UNet was made for, by its configuration's `sample_size`: a number, or [height,
 * width], of which the smaller counts; null is 64. diffusers before 0.9 wrote 32 for models of 64, and its pipelines
 * take everything below 64 of these versions for 64.
 *
 * @param factor pixels for each latent, along a side
 */
export function imageSizeOf(config: RawConfig, factor: number): number {
  const { sample_size: given, _diffusers_version: version } = config;
  const side = Array.isArray(given) ? Math.min(...(given as number[])) : given;
  if (typeof side !== "number") return USUAL_SIDE * factor;
  return (isBefore09(version) ? Math.max(side, USUAL_SIDE) : side) * factor;
}

function isBefore09(version: unknown): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(String(version)) ?? [];
  return major === "0" && Number(minor) < 9;
}
