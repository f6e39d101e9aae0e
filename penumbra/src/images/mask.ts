import { fromTyped, scope, type Tensor } from "@penumbra/torch";
import { type DecodeOptions, decodeImage } from "./decode.ts";

/**
 * Reads a mask: white is the object, black the ground.
 *
 * @param source path of an image file, or its bytes
 * @param size side of the square that the photo is decoded to
 * @returns float32 [1, size, size] of 0 and 1
 * @throws ImageError as `decodeImage`
 */
export async function decodeMask(
  source: string | Uint8Array,
  size: number,
  { fit }: Pick<DecodeOptions, "fit"> = {},
): Promise<Tensor> {
  const planes = await decodeImage(source, size, { fit, background: [0, 0, 0] });
  return scope(() => fromTyped(planes, [3, size, size]).narrow(0, 0, 1).ge(128).to("float32"));
}

/**
 * A mask made larger: each pixel becomes the largest of the square around it (scipy's `maximum_filter`, which DA-Fusion
 * grows its masks with, size 16 at 512 pixels).
 *
 * @param mask [1, H, W]
 * @param window side of the square in pixels; 1 changes nothing
 */
export function growMask(mask: Tensor, window: number): Tensor {
  if (window <= 1) return mask;
  const before = Math.floor(window / 2);
  return scope(() => {
    const padded = mask
      .unsqueeze(0)
      .constantPadNd([before, window - 1 - before, before, window - 1 - before]);
    return padded.maxPool2d([window, window], { stride: [1, 1] }).squeeze(0);
  });
}

/** What of a photo stays as it is: nothing, the object that a mask shows, or the ground around it. */
export const KEPT_PARTS = ["nothing", "object", "ground"] as const;
export type KeptPart = (typeof KEPT_PARTS)[number];

/** Side of the images that growths are told for. */
const GROWTH_SIDE = 512;

/** How much a mask grows: DA-Fusion's window, in pixels of an image of 512. */
export const MASK_GROWTH = 16;

/**
 * What is kept of a photo.
 *
 * @param mask [1, H, W], 1 where the object is
 * @param growth side of the window that the object is grown with, in pixels of an image of 512
 * @returns [1, H, W], 1 where it is kept
 */
export function keptOf(mask: Tensor, part: Exclude<KeptPart, "nothing">, growth = MASK_GROWTH): Tensor {
  const side = mask.shape.at(-1) as number;
  const window = Math.max(1, Math.round((growth * side) / GROWTH_SIDE));
  return scope(() => {
    const object = growMask(mask, window);
    return part === "object" ? object : object.neg().add(1);
  });
}
