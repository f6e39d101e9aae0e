import { cat, keep, noGrad, scope, type Tensor } from "@penumbra/torch";
import { DiffusionError } from "./errors.ts";
import type { StableDiffusion } from "./stable-diffusion.ts";

/** Photos as distributions over latents: the photos, then their mirror images. */
export interface PhotoLatents {
  /** float32 [2 n, c, h, w], unscaled, on the model's device. */
  readonly mean: Tensor;
  /** Standard deviations, as `mean`. */
  readonly std: Tensor;
}

/**
 * Encodes photos and their mirror images once, in float32, so that steps need no encoder.
 *
 * @param images uint8 [n, 3, H, W]
 * @param what whose photos they are, for the error
 * @throws DiffusionError when there are none, or their size does not fit the model
 */
export function encodePhotos(
  sd: StableDiffusion,
  images: Tensor,
  what: string,
  batchSize = 32,
): PhotoLatents {
  const [count = 0, , height = 0, width = 0] = images.shape;
  const isFitting = images.dtype === "uint8" && images.ndim === 4 && images.shape[1] === 3;
  if (!isFitting || count === 0 || height % sd.vae.factor !== 0 || width % sd.vae.factor !== 0) {
    throw new DiffusionError(
      `The photos of ${what} are ${images.dtype} [${images.shape}]; needed are uint8 [n, 3, H, W] with n >= 1 and multiples of ${sd.vae.factor} pixels. Decode them to ${sd.imageSize} pixels.`,
    );
  }
  return keep(
    scope(() =>
      noGrad(() => {
        const parts: { mean: Tensor; std: Tensor }[] = [];
        for (const isMirrored of [false, true]) {
          for (let start = 0; start < count; start += batchSize) {
            const part = images.narrow(0, start, Math.min(batchSize, count - start)).to(sd.device);
            parts.push(encode(sd, isMirrored ? part.flip([3]) : part));
          }
        }
        return { mean: cat(parts.map(({ mean }) => mean)), std: cat(parts.map(({ std }) => std)) };
      }),
    ),
  );
}

function encode(sd: StableDiffusion, images: Tensor): { mean: Tensor; std: Tensor } {
  return scope(() => {
    const dtype = sd.vae.encoder.convIn.weight.dtype;
    const pixels = images.to("float32").div(127.5).sub(1).to({ dtype, memoryFormat: "channelsLast" });
    const { mean, logvar } = sd.vae.encode(pixels);
    return { mean: mean.to("float32"), std: logvar.to("float32").mul(0.5).exp() };
  });
}
