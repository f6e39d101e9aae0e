import { cat, scope, type Tensor } from "@penumbra/torch";
import type { Posterior } from "../../models/index.ts";
import type { StableDiffusion } from "../model/index.ts";
import { autoencoderSlice, halving } from "./memory.ts";

/**
 * The posteriors of images in 0..1, by as many images at once as memory allows; in the autoencoder's own dtype, never
 * in autocast.
 *
 * @param images01 float [B, 3, H, W]
 */
export function encodeImages(sd: StableDiffusion, images01: Tensor): Posterior {
  const weights = sd.vae.encoder.convIn.weight.dtype;
  const slices = inSlices(sd, images01, images01.shape.slice(2), (slice) => {
    const pixels = slice.to({ device: sd.device, dtype: weights, memoryFormat: "channelsLast" });
    const { mean, logvar } = sd.vae.encode(pixels.mul(2).sub(1));
    return [mean, logvar];
  });
  const [mean, logvar] = slices as [Tensor, Tensor];
  return { mean, logvar };
}

/**
 * Images of scaled latents, likewise.
 *
 * @param latents [B, c, h, w]
 * @returns float32 [B, 3, H, W] in 0..1
 */
export function decodeLatents(sd: StableDiffusion, latents: Tensor): Tensor {
  const weights = sd.vae.decoder.convIn.weight.dtype;
  const pixels = latents.shape.slice(2).map((side) => side * sd.vae.factor);
  const [images] = inSlices(sd, latents, pixels, (slice) => {
    const input = sd.vae.unscale(slice).to({ dtype: weights, memoryFormat: "channelsLast" });
    return [sd.vae.decode(input).to("float32").div(2).add(0.5).clamp({ min: 0, max: 1 }).contiguous()];
  });
  return images as Tensor;
}

function inSlices(
  sd: StableDiffusion,
  batch: Tensor,
  pixels: readonly number[],
  compute: (slice: Tensor) => Tensor[],
): Tensor[] {
  const count = batch.shape[0] as number;
  return halving(autoencoderSlice(sd, pixels, count), (size) =>
    scope(() => {
      if (size >= count) return compute(batch);
      const parts: Tensor[][] = [];
      for (let start = 0; start < count; start += size)
        parts.push(scope(() => compute(batch.narrow(0, start, Math.min(size, count - start)))));
      return parts[0]!.map((_, i) => cat(parts.map((part) => part[i] as Tensor)));
    }),
  );
}
