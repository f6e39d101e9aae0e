import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";

/**
 * Standard normal noise with a stream of its own for each image, so that an image's noise depends on its seed only.
 * Drawn on the CPU, so that every device sees the same.
 *
 * @param like [B, ...]; gives shape and device
 * @param seeds one per image
 * @returns float32, the shape of `like`
 */
export function gaussianNoise(like: Tensor, seeds: readonly number[]): Tensor {
  return scope(() => {
    const noise = torch.empty([...like.shape]); // [B, ...]
    const generator = new torch.Generator({ seed: 0 });
    seeds.forEach((seed, i) => {
      generator.manualSeed(torch.deriveSeed(seed, "noise"));
      noise.select(0, i).normal_({ generator });
    });
    return noise.to(like.device);
  });
}
