import { scope, type Tensor } from "@penumbra/torch";
import sharp, { type Sharp } from "sharp";
import { writeFileAtomic } from "../files/index.ts";
import { withDescription } from "./description.ts";
import { ImageError } from "./errors.ts";

/**
 * Writes an image as PNG (lossless), complete or not at all: the bytes go to a file aside that is then renamed.
 *
 * @param image [3, H, W] or [1, H, W]; uint8 0..255, or floating point 0..1
 */
export async function encodePng(image: Tensor, path: string, options: PngOptions = {}): Promise<void> {
  await writeFileAtomic(path, await pngBytes(image, options));
}

/** Writes an image as WebP; `quality` 1..100, `lossless` ignores it. Otherwise as `encodePng`. */
export async function encodeWebp(image: Tensor, path: string, options: WebpOptions = {}): Promise<void> {
  await writeFileAtomic(path, await webpBytes(image, options));
}

export interface PngOptions {
  /** A text for the file's metadata, that `readDescription` finds. */
  readonly description?: string;
}

export interface WebpOptions extends PngOptions {
  readonly quality?: number;
  readonly lossless?: boolean;
}

/** The bytes of a PNG file; `image` as for `encodePng`. */
export async function pngBytes(image: Tensor, { description }: PngOptions = {}): Promise<Buffer> {
  return described(raw(image), description).png({ compressionLevel: 9 }).toBuffer();
}

/** The bytes of a WebP file; `image` as for `encodePng`. */
export async function webpBytes(
  image: Tensor,
  { quality = 90, lossless = false, description }: WebpOptions = {},
): Promise<Buffer> {
  return described(raw(image), description).webp({ quality, lossless }).toBuffer();
}

/**
 * Pixels as whole numbers: round(255 x), with x first brought into 0..1.
 *
 * @param images any shape; floating point 0..1, or uint8, which is returned as it is
 */
export function toUint8(images: Tensor): Tensor {
  if (images.dtype === "uint8") return images;
  return scope(() => images.detach().to("float32").clamp({ min: 0, max: 1 }).mul(255).round().to("uint8"));
}

function described(image: Sharp, description: string | undefined): Sharp {
  return description === undefined ? image : withDescription(image, description);
}

function raw(image: Tensor): Sharp {
  const [channels, height, width] = image.shape;
  if (image.ndim !== 3 || (channels !== 3 && channels !== 1)) {
    throw new ImageError(
      `Cannot encode a tensor of shape [${image.shape}]: an image is [3, height, width] or [1, height, width]. Pick one image of the batch, e.g. images.select(0, i).`,
    );
  }
  const interleaved = scope(() =>
    toUint8(image).to("cpu").permute([1, 2, 0]).contiguous().toTyped(),
  ) as Uint8Array;
  return sharp(interleaved, { raw: { width: width!, height: height!, channels } });
}
