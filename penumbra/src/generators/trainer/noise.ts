import { cat, deriveSeed, Generator, randn, scope, type Tensor } from "@penumbra/torch";

/**
 * Standard normal numbers, one stream for each image, so that an image does not depend on its neighbours in a batch.
 * They are drawn on the CPU and then moved: every device gets the same ones.
 *
 * @param seeds one for each image
 * @param purpose what the noise is for: draws of different purposes are unrelated
 * @param shape of one image's noise
 * @returns float32 [seeds.length, ...shape]
 */
export function noiseOf(
  seeds: readonly number[],
  purpose: string,
  shape: readonly number[],
  device: string,
): Tensor {
  return scope(() =>
    cat(
      seeds.map((seed) =>
        randn([1, ...shape], { generator: new Generator({ seed: deriveSeed(seed, purpose) }) }),
      ),
    ).to(device),
  );
}
