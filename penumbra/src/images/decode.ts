import { readFile } from "node:fs/promises";
import type { Sharp } from "sharp";
import sharp from "sharp";
import { declaredWhite, FULL_DEPTH, type Levels, type White } from "./depth.ts";
import { ImageError } from "./errors.ts";
import { damaged, FORMAT_TITLES, Refusal, sniffFormat } from "./formats.ts";
import { type Look, lookOf } from "./look.ts";
import { type OpenImage, openBytes } from "./open.ts";

/**
 * How a photo is brought to a square.
 * `squash` scales both sides independently: nothing is lost, proportions change (the usual choice for diffusion).
 * `letterbox` keeps proportions and fills the rest with `background`.
 * `crop` keeps proportions and takes the central square.
 */
export type Fit = "squash" | "letterbox" | "crop";
export const FITS = ["squash", "letterbox", "crop"] as const satisfies readonly Fit[];

/** An opaque sRGB colour, each channel in 0..255. */
export type Rgb = readonly [red: number, green: number, blue: number];

export interface DecodeOptions {
  readonly fit?: Fit;
  /** Shows through transparent pixels and fills the bars of a letterbox. */
  readonly background?: Rgb;
  /** What is white in files of 16 bits and of floats (`decideDepth`). Default: 65535, and 1. */
  readonly white?: White;
}

const WHITE: Rgb = [255, 255, 255];
const SHARP_FIT = { squash: "fill", letterbox: "contain", crop: "cover" } as const;

/**
 * Decodes an image file to 8-bit sRGB at `size` x `size` pixels, one plane per channel.
 *
 * The EXIF orientation is applied, transparency is flattened onto `background`, grey becomes three equal channels,
 * 16 bits and floats become 8 bits (`white` becomes 255), CMYK and other profiles become sRGB. Of an animation the
 * first frame is taken.
 *
 * @param source path of the file, or its bytes
 * @param size side of the square, in pixels
 * @returns `3 * size * size` values 0..255 in the order red plane, green plane, blue plane (CHW)
 * @throws ImageError when the file is missing, empty, truncated or not an image
 */
export async function decodeImage(
  source: string | Uint8Array,
  size: number,
  { fit = "squash", background = WHITE, white = FULL_DEPTH }: DecodeOptions = {},
): Promise<Uint8Array> {
  if (!Number.isInteger(size) || size < 1) {
    throw new ImageError(
      `Cannot decode to ${size} pixels: the size must be a whole number of at least 1. Set "size".`,
    );
  }
  return readable(source, async (image) => {
    const { data, info } = await (await plainRgb(image, background, white))
      .resize(size, size, { fit: SHARP_FIT[fit], background: colour(background) })
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return planes(data, info.channels, size * size);
  });
}

/** What opening a file tells about it. */
export interface ImageFacts {
  /** Pixels as seen, with the EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  readonly format: string;
  /** Of files of 16 bits and of floats. */
  readonly levels?: Levels;
  /** Set where the file is used though something is wrong with it. */
  readonly warning?: string;
  /** By its own largest value, where it is deep. */
  readonly look: Look;
}

const THUMBNAIL_SIDE = 64;

/**
 * Decodes a file completely, at low cost, to learn what it is and whether it can be used: a header alone says nothing
 * about a file that was cut off.
 *
 * @throws ImageError as `decodeImage`
 */
export async function probeImage(source: string | Uint8Array): Promise<ImageFacts> {
  return readable(source, async (image, bytes) => {
    const { width, height, format, warning } = image;
    const levels = image.kind === "uint8" ? undefined : await levelsOf(image, bytes);
    const own = levels ? { ...FULL_DEPTH, [levels.kind]: levels.highest || 1 } : FULL_DEPTH;
    const picture = await plainRgb(image, WHITE, own);
    return {
      ...{ width, height, format },
      ...(levels && { levels }),
      ...(warning !== undefined && { warning }),
      look: lookOf(await thumbnailOf(picture, width * height)),
    };
  });
}

/**
 * A small copy of a picture for people to look at, as a WebP file: proportions kept, at most `side` pixels long.
 *
 * @throws ImageError as `decodeImage`
 */
export async function previewImage(
  source: string | Uint8Array,
  side: number,
  { background = WHITE, white = FULL_DEPTH }: Omit<DecodeOptions, "fit"> = {},
): Promise<Buffer> {
  return readable(source, async (image) =>
    (await plainRgb(image, background, white))
      .resize(side, side, { fit: "inside", withoutEnlargement: true })
      .webp({ quality: 80 })
      .toBuffer(),
  );
}

/** Up to here decoding whole and averaging takes half as long as libvips' resize (measured at 48 and 128 pixels). */
const SMALL_PIXELS = 256 * 256;

async function thumbnailOf(picture: Sharp, pixels: number): Promise<Uint8Array> {
  const isSmall = pixels <= SMALL_PIXELS;
  // A small output lets JPEG skip most of its arithmetic; all compressed data is still read.
  const sized = isSmall ? picture : picture.resize(THUMBNAIL_SIDE, THUMBNAIL_SIDE, { fit: "fill" });
  const { data, info } = await sized.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  const rgb = asRgb(data, info.channels);
  return isSmall ? averageTo(rgb, info.width, info.height, THUMBNAIL_SIDE) : rgb;
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

/**
 * The picture of a file at its full size as 8-bit sRGB, for comparing what two files show.
 *
 * @throws ImageError as `decodeImage`
 */
export async function decodeWhole(
  source: string | Uint8Array,
  { background = WHITE, white = FULL_DEPTH }: Omit<DecodeOptions, "fit"> = {},
): Promise<{ readonly data: Uint8Array; readonly width: number; readonly height: number }> {
  return readable(source, async (image) => {
    const { data, info } = await (await plainRgb(image, background, white))
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { data: asRgb(data, info.channels), width: info.width, height: info.height };
  });
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
  const strip = await readable(source, async (image) =>
    (await plainRgb(image, WHITE, FULL_DEPTH)).raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true }),
  );
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

async function readable<T>(
  source: string | Uint8Array,
  use: (image: OpenImage, bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  try {
    const bytes = typeof source === "string" ? await readFile(source) : source;
    return await use(await openBytes(bytes), bytes);
  } catch (cause) {
    const where = typeof source === "string" ? `"${source}"` : `${source.byteLength} bytes in memory`;
    throw new ImageError(`Cannot read the image ${where}: ${await reasonFor(source, cause)}.`, { cause });
  }
}

/** A reason of our own, what the file system says, or that the decoder of the file's format gave up. */
async function reasonFor(source: string | Uint8Array, cause: unknown): Promise<string> {
  if (cause instanceof Refusal) return cause.message;
  const code = (cause as NodeJS.ErrnoException).code;
  if (code !== undefined && typeof source === "string")
    return `the system says ${code}. Check the path and its permissions`;
  const sniffed = sniffFormat(typeof source === "string" ? await readFile(source) : source);
  return "refusal" in sniffed ? sniffed.refusal : damaged(FORMAT_TITLES[sniffed.format]).message;
}

/** Why `decodeImage` or `probeImage` refused a file and what to do, as the rest of a sentence after "cannot be read: ". */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (error instanceof ImageError ? (/: (.*)\.$/s.exec(message)?.[1] ?? message) : message).replace(
    /\.$/,
    "",
  );
}

/** Upright, opaque, 8-bit sRGB. */
async function plainRgb(image: OpenImage, background: Rgb, white: White): Promise<Sharp> {
  if (image.isPlainCmyk) return cmykToRgb(image.pipeline());
  const upright = image
    .pipeline()
    .autoOrient()
    .flatten({ background: colour(background) });
  if (image.kind === "uint8") return upright.toColourspace("srgb");
  const { values, width, height, channels } = await deepValues(image.kind, upright);
  const scale = 255 / white[image.kind];
  const data = new Uint8ClampedArray(values.length); // rounds, and holds what lies outside at 0 and 255
  for (let i = 0; i < values.length; i++) data[i] = values[i]! * scale;
  return sharp(data, { raw: { width, height, channels } });
}

/**
 * CMYK by its definition, red = (1 - cyan)(1 - black) and so on, as viewers show files without a profile; libvips
 * would take a printing press's profile for granted and change every colour.
 */
async function cmykToRgb(pipeline: Sharp): Promise<Sharp> {
  const { data, info } = await pipeline
    .pipelineColourspace("cmyk")
    .autoOrient()
    .toColourspace("cmyk")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const light = 255 - data[4 * i + 3]!;
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = Math.round(((255 - data[4 * i + c]!) * light) / 255);
  }
  return sharp(rgb, { raw: { width, height, channels: 3 } });
}

async function levelsOf(image: OpenImage, bytes: Uint8Array): Promise<Levels> {
  const kind = image.kind as Levels["kind"];
  const { values } = await deepValues(kind, image.pipeline());
  let highest = 0;
  for (const value of values) if (value > highest) highest = value;
  if (!Number.isFinite(highest))
    throw new Refusal("it holds infinite values. Write it again with finite ones");
  const declared = kind === "uint16" ? declaredWhite(bytes, image.format) : undefined;
  return { kind, highest, ...(declared !== undefined && { declared }) };
}

async function deepValues(kind: Levels["kind"], pipeline: Sharp) {
  const isWide = kind === "uint16";
  const { data, info } = await (isWide ? pipeline.toColourspace("rgb16") : pipeline)
    .raw({ depth: isWide ? "ushort" : "float" })
    .toBuffer({ resolveWithObject: true });
  // Copied: the values must lie at a multiple of their size.
  const { buffer } = new Uint8Array(data);
  return { ...info, values: isWide ? new Uint16Array(buffer) : new Float32Array(buffer) };
}

function colour([r, g, b]: Rgb) {
  return { r, g, b };
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

/** [H, W, C] -> [H, W, 3], as `planes`. */
function asRgb(interleaved: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return interleaved;
  const pixels = interleaved.length / channels;
  const out = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) out[3 * i + c] = interleaved[i * channels + (channels >= 3 ? c : 0)]!;
  }
  return out;
}
