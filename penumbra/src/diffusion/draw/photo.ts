import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fromTyped, scope, type Tensor } from "@penumbra/torch";
import { decodeImage, decodeMask, type Fit, growMask } from "../../images/index.ts";

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

/** A photo from a file, at the size that it is to be drawn at. */
export async function readPhoto(
  path: string,
  size: number,
  options: {
    readonly fit?: Fit;
    readonly mask?: string;
    readonly part?: KeptPart;
    readonly growth?: number;
  } = {},
): Promise<{ pixels: Tensor; hash: string; kept?: { mask: Tensor; what: string } }> {
  const { fit, mask, part = "nothing", growth = MASK_GROWTH } = options;
  const bytes = await readFile(path);
  const pixels = fromTyped(await decodeImage(bytes, size, { fit }), [3, size, size]);
  const hash = createHash("sha256").update(bytes).digest("hex");
  if (part === "nothing" || mask === undefined) return { pixels, hash };
  const kept = scope(async () => keptOf(await decodeMask(mask, size, { fit }), part, growth));
  return { pixels, hash, kept: { mask: await kept, what: `${part}, mask grown by ${growth} of 512` } };
}
