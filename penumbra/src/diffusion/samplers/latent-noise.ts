import { cat, deriveSeed, Generator, randn, scope, type Tensor } from "@penumbra/torch";
import type { StableDiffusion } from "../model/index.ts";

/**
 * Standard normal latents, one stream for each image, so that an image does not depend on its neighbours in a
 * batch. They are drawn on the CPU and then moved: every device gets the same numbers.
 *
 * @param seeds one for each image
 * @param purpose what the noise is for: draws of different purposes are unrelated
 * @param size [h, w] of the latents
 * @returns float32 [seeds.length, latent_channels, h, w] on the model's device
 */
export function latentNoise(
  sd: StableDiffusion,
  seeds: readonly number[],
  purpose: string,
  size: readonly number[],
): Tensor {
  return scope(() => {
    const draws = seeds.map((seed) => {
      const generator = new Generator({ seed: deriveSeed(seed, purpose) });
      return randn([1, sd.vae.config.latent_channels, ...size], { generator });
    });
    return cat(draws).to(sd.device);
  });
}
