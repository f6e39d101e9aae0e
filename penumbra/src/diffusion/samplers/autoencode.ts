import { cat, type PrecisionSetting, resolvePrecision, scope, type Tensor } from "@penumbra/torch";
import { autocastTo, type Compute, type Posterior, tiled } from "../../models/index.ts";
import type { StableDiffusion } from "../model/index.ts";
import { autoencoderSlice, autoencoderTile, halving } from "./memory.ts";

/** From so many pixels on the autoencoder is a large part of the work: at 512 x 512 some 4.5 calls of the UNet. */
const MANY_PIXELS = 256 ** 2;

/**
 * The posteriors of images in 0..1, by as many images at once as memory allows. The autoencoder works in its own dtype;
 * large images in bf16 where that is the precision (its range is float32's, so "force_upcast" does not concern it).
 *
 * @param images01 float [B, 3, H, W]
 */
export function encodeImages(
  sd: StableDiffusion,
  images01: Tensor,
  precision: PrecisionSetting = "fp32",
): Posterior {
  const weights = sd.vae.encoder.convIn.weight.dtype;
  const size = images01.shape.slice(2);
  const slices = inSlices(sd, images01, size, (slice) => {
    const pixels = slice.to({ device: sd.device, dtype: weights, memoryFormat: "channelsLast" });
    const compute = computing(sd, size, precision);
    // Both halves in one, so that tiles are of one image.
    const moments = tiled(
      pixels.mul(2).sub(1),
      { side: autoencoderTile(sd, size), scale: 1 / sd.vae.factor },
      (tile) => {
        const { mean, logvar } = compute(() => sd.vae.encode(tile));
        return cat([mean, logvar], { dim: 1 });
      },
    );
    return moments.to("float32").chunk(2, { dim: 1 });
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
export function decodeLatents(
  sd: StableDiffusion,
  latents: Tensor,
  precision: PrecisionSetting = "fp32",
): Tensor {
  const weights = sd.vae.decoder.convIn.weight.dtype;
  const pixels = latents.shape.slice(2).map((side) => side * sd.vae.factor);
  const [images] = inSlices(sd, latents, pixels, (slice) => {
    const input = sd.vae.unscale(slice).to({ dtype: weights, memoryFormat: "channelsLast" });
    const compute = computing(sd, pixels, precision);
    const tile = { side: autoencoderTile(sd, pixels) / sd.vae.factor, scale: sd.vae.factor };
    const decoded = tiled(input, tile, (part) => compute(() => sd.vae.decode(part)));
    return [decoded.to("float32").div(2).add(0.5).clamp({ min: 0, max: 1 }).contiguous()];
  });
  return images as Tensor;
}

function computing(
  sd: StableDiffusion,
  [height = 0, width = 0]: readonly number[],
  precision: PrecisionSetting,
): Compute {
  const { dtype } = resolvePrecision(precision, sd.device);
  return autocastTo(sd.device, dtype === "bfloat16" && height * width >= MANY_PIXELS ? dtype : "float32");
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
