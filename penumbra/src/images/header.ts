/**
 * What the header of an ordinary photo tells, read by ourselves: asking libvips costs as much again as a third of the
 * decoding of a small photo. Only headers that leave nothing to interpretation are read (8 bits, no EXIF, no
 * animation); every other file is left to the decoder's own reading.
 */
import type { ImageFormat } from "./formats.ts";

export interface PlainHeader {
  readonly width: number;
  readonly height: number;
  /** Whether no pixel can be transparent. */
  readonly isOpaque: boolean;
}

/** The header of an upright photo of 8 bits in grey or RGB; undefined where the file is or may be anything else. */
export function readPlainHeader(bytes: Uint8Array, format: ImageFormat): PlainHeader | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = READERS[format]?.(buffer);
  return header && header.width > 0 && header.height > 0 ? header : undefined;
}

const READERS: Readonly<Partial<Record<ImageFormat, (buffer: Buffer) => PlainHeader | undefined>>> = {
  jpeg: readJpeg,
  png: readPng,
  webp: readWebp,
};

const JPEG = { startOfScan: 0xda, startsOfFrame: [0xc0, 0xc1, 0xc2], exifOrXmp: 0xe1 } as const;

/** Markers up to the first scan (ITU-T T.81, B.1.1 and B.2.2): a header that is not whole is none. */
function readJpeg(buffer: Buffer): PlainHeader | undefined {
  let frame: PlainHeader | undefined;
  for (let at = 2; at + 4 <= buffer.length; ) {
    if (buffer[at] !== 0xff) return undefined;
    const marker = buffer[at + 1]!;
    const end = at + 2 + buffer.readUInt16BE(at + 2);
    if (marker < 0xc0 || marker === JPEG.exifOrXmp || end > buffer.length) return undefined;
    if (marker === JPEG.startOfScan) return frame;
    if (JPEG.startsOfFrame.some((start) => start === marker)) {
      if (end - at < 10) return undefined;
      const [precision, components] = [buffer[at + 4], buffer[at + 9]];
      if (precision !== 8 || (components !== 1 && components !== 3)) return undefined;
      frame = { height: buffer.readUInt16BE(at + 5), width: buffer.readUInt16BE(at + 7), isOpaque: true };
    }
    at = end;
  }
  return undefined;
}

/** Chunks that may stand before the pixels and change neither the size nor the orientation. */
const PLAIN_CHUNKS = new Set("PLTE tRNS gAMA cHRM sRGB iCCP sBIT pHYs bKGD hIST tIME".split(" "));
const ALPHA_COLOUR_TYPES = [4, 6];

/** IHDR and what stands before IDAT (PNG specification, 11.2.1 and 5.6). */
function readPng(buffer: Buffer): PlainHeader | undefined {
  if (buffer.length < 33 || buffer.toString("latin1", 12, 16) !== "IHDR") return undefined;
  const [bits, colourType] = [buffer[24]!, buffer[25]!];
  if (bits > 8) return undefined;
  let isOpaque = !ALPHA_COLOUR_TYPES.includes(colourType);
  for (let at = 33; at + 8 <= buffer.length; at += 12 + buffer.readUInt32BE(at)) {
    const name = buffer.toString("latin1", at + 4, at + 8);
    if (name === "IDAT") return { width: buffer.readUInt32BE(16), height: buffer.readUInt32BE(20), isOpaque };
    if (!PLAIN_CHUNKS.has(name)) return undefined;
    if (name === "tRNS") isOpaque = false;
  }
  return undefined;
}

/** A file of one chunk of lossy or lossless data (RFC 9649, 2.5 and 2.6; RFC 6386, 9.1); the extended form may turn. */
function readWebp(buffer: Buffer): PlainHeader | undefined {
  if (buffer.length < 30) return undefined;
  const name = buffer.toString("latin1", 12, 16);
  if (name === "VP8 " && buffer.readUIntBE(23, 3) === 0x9d012a) {
    const [width, height] = [buffer.readUInt16LE(26) & 0x3fff, buffer.readUInt16LE(28) & 0x3fff];
    return { width, height, isOpaque: true };
  }
  if (name === "VP8L" && buffer[20] === 0x2f) {
    const bits = buffer.readUInt32LE(21); // 14 of the width - 1, 14 of the height - 1, alpha
    const [width, height] = [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    return { width, height, isOpaque: ((bits >>> 28) & 1) === 0 };
  }
  return undefined;
}
