import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fromTyped, type Tensor } from "@penumbra/torch";
import { decodeImage, decodeMask, type Fit, type KeptPart, keptOf, MASK_GROWTH } from "../../images/index.ts";

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
  const kept = keptOf(await decodeMask(mask, size, { fit }), part, growth);
  return { pixels, hash, kept: { mask: kept, what: `${part}, mask grown by ${growth} of 512` } };
}
