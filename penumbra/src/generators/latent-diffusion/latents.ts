import { inferenceMode, keep, noGrad, scope, type Tensor, zeros } from "@penumbra/torch";
import type { AutoencoderKL, Compute } from "../../models/index.ts";

/** Latents of a whole corpus by the frozen autoencoder: mean and standard deviation of each posterior. */
export interface Latents {
  /** float16 [N, C, h, w] on the device. */
  readonly mean: Tensor;
  readonly std: Tensor;
  /** 1 / standard deviation of all latent numbers, as `scaling_factor` in config.json. */
  readonly scalingFactor: number;
}

/**
 * Encodes all images once; with `flips`, their mirror images follow as items N … 2N - 1.
 *
 * @param images uint8 [N, 3, S, S] on the device
 */
export function encodeCorpus(
  vae: AutoencoderKL,
  images: Tensor,
  options: {
    flips: boolean;
    compute: Compute;
    batchSize?: number;
    onProgress?: (done: number, total: number) => void;
  },
): Latents {
  const { flips, compute, batchSize = 64, onProgress } = options;
  const count = images.shape[0]!;
  const total = flips ? 2 * count : count;
  return scope(() => {
    let mean: Tensor | undefined;
    let std: Tensor | undefined;
    let sum = 0;
    let squares = 0;
    for (let pass = 0; pass < (flips ? 2 : 1); pass++) {
      for (let start = 0; start < count; start += batchSize) {
        const length = Math.min(batchSize, count - start);
        const [partMean, partStd] = scope(() =>
          inferenceMode(() => {
            const part = images.narrow(0, start, length);
            const pixels = (pass === 1 ? part.flip([3]) : part).to("float32").div(127.5).sub(1);
            const posterior = compute(() => vae.encode(pixels.contiguous({ memoryFormat: "channelsLast" })));
            return [posterior.mean.to("float32"), posterior.logvar.to("float32").mul(0.5).exp()] as const;
          }),
        );
        const [, ...shape] = partMean.shape;
        mean ??= zeros([total, ...shape], { dtype: "float16", device: images.device });
        std ??= zeros([total, ...shape], { dtype: "float16", device: images.device });
        const [partSum, partSquares] = scope(() => {
          noGrad(() => mean!.narrow(0, pass * count + start, length).copy_(partMean));
          noGrad(() => std!.narrow(0, pass * count + start, length).copy_(partStd));
          const draws = partMean.square().add(partStd.square());
          return [partMean.sum().item(), draws.sum().item()];
        });
        sum += partSum;
        squares += partSquares;
        partMean.dispose();
        partStd.dispose();
        onProgress?.(pass * count + start + length, total);
      }
    }
    const numbers = mean!.numel;
    const variance = squares / numbers - (sum / numbers) ** 2;
    return { mean: keep(mean!), std: keep(std!), scalingFactor: 1 / Math.sqrt(variance) };
  });
}
