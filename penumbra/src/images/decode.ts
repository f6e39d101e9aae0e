import { readFile } from "node:fs/promises";
import type { Sharp } from "sharp";
import sharp from "sharp";
import { deepRgb, opaqueValues, probeDeep } from "./deep-values.ts";
import { FULL_DEPTH, type Levels, type White } from "./depth.ts";
import { ImageError } from "./errors.ts";
import { damaged, FORMAT_TITLES, Refusal, sniffFormat, TooLargeRefusal } from "./formats.ts";
import { type Look, lookOf } from "./look.ts";
import { type OpenImage, openBytes } from "./open.ts";
import { asColour, asRgb, type Rgb, WHITE } from "./rgb.ts";
import { thumbnailOf } from "./thumbnail.ts";

/**
 * How a photo is brought to a square.
 * `squash` scales both sides independently: nothing is lost, proportions change (the usual choice for diffusion).
 * `letterbox` keeps proportions and fills the rest with `background`.
 * `crop` keeps proportions and takes the central square.
 */
export type Fit = "squash" | "letterbox" | "crop";
export const FITS = ["squash", "letterbox", "crop"] as const satisfies readonly Fit[];

/**
 * How pixels between pixels are computed; all but `nearest` average over the pixels that one replaces. Where a photo is
 * halved or more, libvips averages before it interpolates: on white noise PIL's values are 1 to 4 grey levels away.
 */
export type Interpolation = "lanczos3" | "bicubic" | "bilinear" | "nearest";
export const INTERPOLATIONS = [
  "lanczos3",
  "bicubic",
  "bilinear",
  "nearest",
] as const satisfies readonly Interpolation[];

/** sharp's names; its cubic kernel has the coefficient -0.5, as PIL's. */
const KERNELS = { lanczos3: "lanczos3", bicubic: "cubic", bilinear: "linear", nearest: "nearest" } as const;

export interface DecodeOptions {
  readonly fit?: Fit;
  /** Default "lanczos3". */
  readonly interpolation?: Interpolation;
  /** Shows through transparent pixels and fills the bars of a letterbox. */
  readonly background?: Rgb;
  /** What is white in files of 16 bits and of floats (`decideDepth`). Default: 65535, and 1. */
  readonly white?: White;
  /** Images of more pixels are refused before they are decoded. Default: as many as the decoders bear. */
  readonly maxPixels?: number;
}

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
  {
    fit = "squash",
    interpolation = "lanczos3",
    background = WHITE,
    white = FULL_DEPTH,
    maxPixels,
  }: DecodeOptions = {},
): Promise<Uint8Array> {
  if (!Number.isInteger(size) || size < 1) {
    throw new ImageError(
      `Cannot decode to ${size} pixels: the size must be a whole number of at least 1. Set "size".`,
    );
  }
  return readable(source, async (image) => {
    const { width, height } = image;
    if (maxPixels !== undefined && width * height > maxPixels)
      throw new TooLargeRefusal(
        `it has ${width} x ${height} pixels, and ${maxPixels} are allowed. Make it smaller`,
      );
    const rgb = await plainRgb(image, background, white);
    const picture = image.isInOrder ? unshrunk(image, rgb) : await rowByRow(rgb);
    return toSquare(picture, size, { fit, interpolation, background });
  });
}

/** A whole picture, row by row, red, green and blue of each pixel. */
export interface WholeImage {
  /** [height, width, 3]. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/**
 * Brings a whole picture to a square as {@link decodeImage} does with a file of these pixels.
 *
 * @returns as `decodeImage`
 */
export async function squareOf(
  { data, width, height }: WholeImage,
  size: number,
  { fit = "squash", interpolation = "lanczos3", background = WHITE }: Omit<DecodeOptions, "white"> = {},
): Promise<Uint8Array> {
  const picture = await rowByRow(sharp(data, { raw: { width, height, channels: 3 } }));
  return toSquare(picture, size, { fit, interpolation, background });
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

/**
 * Decodes a file completely, at low cost, to learn what it is and whether it can be used: a header alone says nothing
 * about a file that was cut off.
 *
 * @throws ImageError as `decodeImage`
 */
export async function probeImage(source: string | Uint8Array): Promise<ImageFacts> {
  return readable(source, async (image, bytes) => {
    const { width, height, format, warning } = image;
    const { levels, picture } =
      image.kind === "uint8"
        ? { levels: undefined, picture: await plainRgb(image, WHITE, FULL_DEPTH) }
        : await probeDeep(image, image.kind, bytes);
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

/**
 * The picture of a file as PNG, 8-bit sRGB, for programs that read nothing else.
 *
 * @throws ImageError as `decodeImage`
 */
export async function pngOf(
  source: string | Uint8Array,
  { background = WHITE, white = FULL_DEPTH }: Omit<DecodeOptions, "fit"> = {},
): Promise<Buffer> {
  return readable(source, async (image) => (await plainRgb(image, background, white)).png().toBuffer());
}

/**
 * The picture of a file at its full size as 8-bit sRGB, for comparing what two files show.
 *
 * @throws ImageError as `decodeImage`
 */
export async function decodeWhole(
  source: string | Uint8Array,
  { background = WHITE, white = FULL_DEPTH }: Omit<DecodeOptions, "fit"> = {},
): Promise<WholeImage> {
  return readable(source, (image) => wholeOf(image, background, white));
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

type Squaring = Required<Pick<DecodeOptions, "fit" | "interpolation" | "background">>;

/** @param picture 8-bit sRGB, read from top to bottom */
async function toSquare(
  picture: Sharp,
  size: number,
  { fit, interpolation, background }: Squaring,
): Promise<Uint8Array> {
  const { data, info } = await picture
    .resize(size, size, {
      fit: SHARP_FIT[fit],
      background: asColour(background),
      kernel: KERNELS[interpolation],
    })
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return planes(data, info.channels, size * size);
}

/**
 * The picture at its full size, which is then resized. libvips would have JPEG and WebP decoded smaller: that takes
 * half the time and gives other pixels (up to 97 of 255 levels at edges), so that a copy of a photo in another format
 * got another answer, and an exported model, which is handed whole pictures, too.
 */
function unshrunk({ width, height }: OpenImage, picture: Sharp): Sharp {
  // To cut out a part before resizing, be it the whole, is what keeps sharp from it.
  return picture.extract({ left: 0, top: 0, width, height });
}

/**
 * A file in memory that is read from top to bottom, as most photos are: where a position lies just between two of
 * libvips' 64 phases, the rows that it computes at a time decide, and they depend on how a picture is read.
 */
async function rowByRow(picture: Sharp): Promise<Sharp> {
  return sharp(await picture.tiff({ compression: "none" }).toBuffer());
}

async function wholeOf(image: OpenImage, background: Rgb, white: White): Promise<WholeImage> {
  const { data, info } = await (await plainRgb(image, background, white))
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return { data: asRgb(data, info.channels), width: info.width, height: info.height };
}

/** Upright, opaque, 8-bit sRGB. */
async function plainRgb(image: OpenImage, background: Rgb, white: White): Promise<Sharp> {
  if (image.isPlainCmyk) return cmykToRgb(image.pipeline());
  if (image.isPlain) return image.pipeline().toColourspace("srgb");
  const { kind } = image;
  if (kind !== "uint8") return deepRgb(await opaqueValues(image, kind, background), white[kind]);
  return image
    .pipeline()
    .autoOrient()
    .flatten({ background: asColour(background) })
    .toColourspace("srgb");
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
