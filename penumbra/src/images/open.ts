/** From the bytes of a file to an image that sharp works on, whatever the format; and what a person should know of it. */
import type { Metadata, Sharp } from "sharp";
import sharp from "sharp";
import type { SampleKind } from "./depth.ts";
import { FOREIGN_READERS } from "./foreign.ts";
import { type ImageFormat, Refusal, sniffFormat } from "./formats.ts";
import { readPlainHeader } from "./header.ts";
import { hasEveryScan, hasJpegEnd, withJpegEnds } from "./jpeg-end.ts";
import type { RawImage } from "./raw-image.ts";

// No photo is opened twice in succession: libvips' memory of operations costs time and finds nothing.
sharp.cache(false);

export interface OpenImage {
  readonly format: ImageFormat;
  /** A new pipeline on the image, before its EXIF orientation is applied. */
  pipeline(): Sharp;
  /** Pixels as seen, with the EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  readonly kind: SampleKind;
  /** Upright and opaque by its header: there is nothing to turn or to flatten. */
  readonly isPlain?: boolean;
  /** Its pipeline gives what is seen from top to bottom, with at most the values of each pixel to be changed. */
  readonly isInOrder?: boolean;
  /** CMYK without a profile that says which colours are meant. */
  readonly isPlainCmyk?: boolean;
  /** Set where the file is used though something is wrong with it. */
  readonly warning?: string;
}

/** EXIF orientations whose rows lie as they are seen: upright, and mirrored from left to right. */
const IN_ORDER = [1, 2];

/** How libvips calls the values of a file, and as what they are read; all others are read as floats. */
function kindOf(depth: string | undefined): SampleKind {
  if (depth === "uchar" || depth === "char") return "uint8";
  return depth === "ushort" ? "uint16" : "float32";
}

/**
 * Opens an image.
 *
 * @throws Refusal when the file is of no format that is decoded; what a decoder throws for a damaged one
 */
export async function openBytes(bytes: Uint8Array): Promise<OpenImage> {
  const sniffed = sniffFormat(bytes);
  if ("refusal" in sniffed) throw new Refusal(sniffed.refusal);
  const { format } = sniffed;
  const read = FOREIGN_READERS[format];
  if (read) return ofRaw(format, await read(bytes));
  return ofSharp(format, bytes);
}

function ofRaw(format: ImageFormat, { data, width, height, channels }: RawImage): OpenImage {
  const kind = data instanceof Uint16Array ? "uint16" : "uint8";
  return { format, pipeline: () => sharp(data, { raw: { width, height, channels } }), width, height, kind };
}

async function ofSharp(format: ImageFormat, bytes: Uint8Array): Promise<OpenImage> {
  const isEnded = format !== "jpeg" || hasJpegEnd(bytes);
  const plain = isEnded ? readPlainHeader(bytes, format) : undefined;
  if (plain) {
    const { width, height, isOpaque } = plain;
    const shape = { format, width, height, kind: "uint8", isPlain: isOpaque, isInOrder: true } as const;
    return { ...shape, pipeline: () => pipelineOf(bytes) };
  }
  const metadata = await pipelineOf(bytes).metadata();
  const kind = kindOf(metadata.depth);
  const isPlainCmyk = metadata.space === "cmyk" && !metadata.icc;
  const shape = { format, ...sizeOf(metadata), kind, isPlainCmyk };
  if (!isEnded) return withoutEnd(bytes, shape);
  const isInOrder = kind === "uint8" && !isPlainCmyk && IN_ORDER.includes(metadata.orientation ?? 1);
  return { ...shape, isInOrder, pipeline: () => pipelineOf(bytes) };
}

/** "error" fails on truncated data and real damage, and tolerates the harmless oddities that cameras write. */
function pipelineOf(bytes: Uint8Array): Sharp {
  return sharp(bytes, { failOn: "error" });
}

function sizeOf({ width, height, autoOrient }: Metadata): { width: number; height: number } {
  return { width: autoOrient?.width ?? width, height: autoOrient?.height ?? height };
}

/**
 * A JPEG whose end marker is missing: used where nothing of the picture is. Decoders do not tell reliably, so it is
 * decoded with three continuations, of which a whole picture sees none.
 */
async function withoutEnd(bytes: Uint8Array, shape: Omit<OpenImage, "pipeline">): Promise<OpenImage> {
  if (!hasEveryScan(bytes)) throw new Refusal(CUT_OFF);
  const [ended, ...continued] = await Promise.all(
    withJpegEnds(bytes).map((file) =>
      sharp(file, { failOn: "none" })
        .autoOrient()
        .toColourspace("srgb")
        .raw({ depth: "uchar" })
        .toBuffer({ resolveWithObject: true }),
    ),
  );
  if (!ended || continued.some(({ data }) => !ended.data.equals(data))) throw new Refusal(CUT_OFF);
  const { width, height, channels } = ended.info;
  return {
    ...shape,
    isPlainCmyk: false,
    pipeline: () => sharp(ended.data, { raw: { width, height, channels } }),
    warning: "it lacks the marker of its end (nothing of the picture is missing)",
  };
}

const CUT_OFF = "its data ends too early: the file was cut off. Replace it by a whole copy, or remove it";
