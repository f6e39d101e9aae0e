/** The small square of a picture that its look is told from. */
import type { Sharp } from "sharp";
import { asRgb } from "./rgb.ts";

const THUMBNAIL_SIDE = 64;

/** Up to here decoding whole and averaging takes half as long as libvips' resize (measured at 48 and 128 pixels). */
const SMALL_PIXELS = 256 * 256;

/**
 * @param picture upright, opaque, 8-bit sRGB, of this many pixels
 * @returns 8-bit sRGB of 64 x 64 pixels, channels interleaved
 */
export async function thumbnailOf(picture: Sharp, pixels: number): Promise<Uint8Array> {
  const isSmall = pixels <= SMALL_PIXELS;
  // A small output lets JPEG skip most of its arithmetic; all compressed data is still read.
  const sized = isSmall ? picture : picture.resize(THUMBNAIL_SIDE, THUMBNAIL_SIDE, { fit: "fill" });
  const { data, info } = await sized.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  const rgb = asRgb(data, info.channels);
  const isThere = info.width === THUMBNAIL_SIDE && info.height === THUMBNAIL_SIDE;
  return isThere ? rgb : averageTo(rgb, info.width, info.height, THUMBNAIL_SIDE);
}

/** Means over the pixels that each pixel of a square of `side` covers at least in part. */
function averageTo(rgb: Uint8Array, width: number, height: number, side: number): Uint8Array {
  const [columns, rows] = [spans(width, side), spans(height, side)];
  const out = new Uint8Array(3 * side * side);
  for (let y = 0, to = 0; y < side; y++) {
    const [top, bottom] = [rows[2 * y]!, rows[2 * y + 1]!];
    for (let x = 0; x < side; x++) {
      const [left, right] = [columns[2 * x]!, columns[2 * x + 1]!];
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let v = top; v < bottom; v++) {
        for (let from = 3 * (v * width + left), end = 3 * (v * width + right); from < end; from += 3) {
          red += rgb[from]!;
          green += rgb[from + 1]!;
          blue += rgb[from + 2]!;
        }
      }
      const count = (bottom - top) * (right - left);
      out[to++] = red / count;
      out[to++] = green / count;
      out[to++] = blue / count;
    }
  }
  return out;
}

/** Begin and end of what each of `side` parts of a length covers. */
function spans(length: number, side: number): Int32Array {
  return Int32Array.from({ length: 2 * side }, (_, i) =>
    i % 2 === 0 ? Math.floor(((i >> 1) * length) / side) : Math.ceil((((i >> 1) + 1) * length) / side),
  );
}
