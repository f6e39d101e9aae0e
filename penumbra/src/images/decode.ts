import type { Sharp } from "sharp";
import sharp from "sharp";
import { ImageError } from "./errors.ts";

/**
 * How a photo is brought to a square.
 * `squash` scales both sides independently: nothing is lost, proportions change (the usual choice for diffusion).
 * `letterbox` keeps proportions and fills the rest with `background`.
 * `crop` keeps proportions and takes the central square.
 */
export type Fit = "squash" | "letterbox" | "crop";

/** An opaque sRGB colour, each channel in 0..255. */
export type Rgb = readonly [red: number, green: number, blue: number];

export interface DecodeOptions {
  readonly fit?: Fit;
  /** Shows through transparent pixels and fills the bars of a letterbox. */
  readonly background?: Rgb;
}

const WHITE: Rgb = [255, 255, 255];
const SHARP_FIT = { squash: "fill", letterbox: "contain", crop: "cover" } as const;

/**
 * Decodes an image file to 8-bit sRGB at `size` x `size` pixels, one plane per channel.
 *
 * The EXIF orientation is applied, transparency is flattened onto `background`, grey becomes three equal channels,
 * 16 bits become 8, CMYK and other profiles become sRGB. Of an animation the first frame is taken.
 *
 * @param source path of the file, or its bytes
 * @param size side of the square, in pixels
 * @returns `3 * size * size` values 0..255 in the order red plane, green plane, blue plane (CHW)
 * @throws ImageError when the file is missing, empty, truncated or not an image
 */
export async function decodeImage(
  source: string | Uint8Array,
  size: number,
  { fit = "squash", background = WHITE }: DecodeOptions = {},
): Promise<Uint8Array> {
  if (!Number.isInteger(size) || size < 1) {
    throw new ImageError(
      `Cannot decode to ${size} pixels: the size must be a whole number of at least 1. Set "size".`,
    );
  }
  try {
    const interleaved = await plainRgb(open(source), background)
      .resize(size, size, {
        fit: SHARP_FIT[fit],
        background: { r: background[0], g: background[1], b: background[2] },
      })
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return planes(interleaved.data, interleaved.info.channels, size * size);
  } catch (cause) {
    throw unreadable(source, cause);
  }
}

/**
 * Decodes a file completely, at low cost, to learn whether it can be used: a header alone says nothing about a
 * file that was cut off.
 *
 * @returns width and height in pixels as seen (EXIF orientation applied), and the file format
 * @throws ImageError as `decodeImage`
 */
export async function probeImage(
  source: string | Uint8Array,
): Promise<{ width: number; height: number; format: string }> {
  try {
    const { width, height, format, autoOrient } = await open(source).metadata();
    // A small output lets JPEG skip most of its arithmetic; all compressed data is still read.
    await open(source).resize(16, 16, { fit: "fill" }).raw().toBuffer();
    return { width: autoOrient?.width ?? width, height: autoOrient?.height ?? height, format };
  } catch (cause) {
    throw unreadable(source, cause);
  }
}

/**
 * Decodes a strip of square pictures side by side (several views of one thing in one file).
 *
 * @param source path of the file, or its bytes; its width must be a multiple of its height
 * @param size side of the squares that are returned, in pixels
 * @returns from left to right, each as `decodeImage` returns it
 * @throws ImageError when the file cannot be read or is no strip of squares
 */
export async function decodeStrip(source: string | Uint8Array, size: number): Promise<Uint8Array[]> {
  const strip = await plainRgb(open(source), WHITE)
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw unreadable(source, cause);
    });
  const { width, height, channels } = strip.info;
  if (width % height !== 0) {
    const where = typeof source === "string" ? ` "${source}"` : "";
    throw new ImageError(
      `The image${where} of ${width} x ${height} pixels is no strip of squares: its width must be a multiple of its height. Cut or pad it.`,
    );
  }
  const squares = Array.from({ length: width / height }, async (_, i) => {
    const cut = sharp(strip.data, { raw: { width, height, channels } }).extract({
      left: i * height,
      top: 0,
      width: height,
      height,
    });
    const { data, info } = await cut.resize(size, size).raw().toBuffer({ resolveWithObject: true });
    return planes(data, info.channels, size * size);
  });
  return Promise.all(squares);
}

/** `error` fails on truncated data and real damage, and tolerates the harmless oddities that cameras write. */
function open(source: string | Uint8Array): Sharp {
  return sharp(source, { failOn: "error" });
}

function plainRgb(image: Sharp, background: Rgb): Sharp {
  return image
    .autoOrient()
    .flatten({ background: { r: background[0], g: background[1], b: background[2] } })
    .toColourspace("srgb");
}

/** [H, W, C] -> [3, H, W]; one channel is repeated, a fourth is dropped. */
function planes(interleaved: Uint8Array, channels: number, pixels: number): Uint8Array {
  const out = new Uint8Array(3 * pixels);
  for (let c = 0; c < 3; c++) {
    const offset = channels >= 3 ? c : 0;
    for (let i = 0, from = offset, to = c * pixels; i < pixels; i++, from += channels, to++)
      out[to] = interleaved[from]!;
  }
  return out;
}

function unreadable(source: string | Uint8Array, cause: unknown): ImageError {
  const where = typeof source === "string" ? `"${source}"` : `${source.byteLength} bytes in memory`;
  const why = (cause instanceof Error ? cause.message : String(cause)).trim().split("\n")[0];
  return new ImageError(
    `Cannot read the image ${where}: ${why}. Open it in an image viewer; replace or remove it if it is damaged, convert it to PNG, JPEG or WebP if its format is unknown.`,
    { cause },
  );
}
