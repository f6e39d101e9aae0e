/**
 * Windows bitmaps without compression. The libraries of the registry read palettes wrongly (bmp-ts 1.0.9) or not at all
 * (fast-bmp 4.0.1), as measured against Pillow; the format is small.
 */
import { Refusal } from "./formats.ts";
import type { RawImage } from "./raw-image.ts";

/** BITMAPINFOHEADER's biCompression (Microsoft's documentation of wingdi.h). */
const UNCOMPRESSED = 0;
const BIT_FIELDS = [3, 6];

interface Header {
  readonly width: number;
  readonly height: number;
  readonly isTopDown: boolean;
  readonly bits: number;
  /** Where the pixels begin, and the bytes of a row, filled up to four. */
  readonly offset: number;
  readonly stride: number;
}

/**
 * Reads a bitmap of 1, 4, 8, 16, 24 or 32 bits a pixel.
 *
 * @param requireSize called with the declared width and height before memory is taken
 * @throws Refusal for compressed ones, and files that end too early
 */
export function readBmp(bytes: Uint8Array, requireSize: (width: number, height: number) => void): RawImage {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 54) throw cutOff();
  const header = readHeader(buffer);
  requireSize(header.width, header.height);
  const { width, height, bits, offset, stride, isTopDown } = header;
  if (offset + stride * height > buffer.length) throw cutOff();
  const pixelAt = readerOf(buffer, bits);
  const data = new Uint8Array(4 * width * height);
  for (let y = 0; y < height; y++) {
    const row = offset + stride * (isTopDown ? y : height - 1 - y);
    for (let x = 0; x < width; x++) pixelAt(row, x, data, 4 * (y * width + x));
  }
  return { data, width, height, channels: 4 };
}

function readHeader(buffer: Buffer): Header {
  const size = buffer.readUInt32LE(14);
  const bits = buffer.readUInt16LE(28);
  const compression = buffer.readUInt32LE(30);
  const height = buffer.readInt32LE(22);
  if (size < 40 || ![1, 4, 8, 16, 24, 32].includes(bits)) {
    throw new Refusal(`it is a bitmap of an unusual kind (${bits} bits a pixel). Convert it to PNG`);
  }
  if (compression !== UNCOMPRESSED && !BIT_FIELDS.includes(compression)) {
    throw new Refusal("it is a compressed bitmap, which is not decoded. Convert it to PNG");
  }
  const width = buffer.readInt32LE(18);
  const stride = 4 * Math.ceil((width * bits) / 32);
  return {
    width,
    height: Math.abs(height),
    isTopDown: height < 0,
    bits,
    offset: buffer.readUInt32LE(10),
    stride,
  };
}

type PixelReader = (row: number, x: number, to: Uint8Array, at: number) => void;

/** How one pixel is read: through the palette, as bytes, or through bit masks. */
function readerOf(buffer: Buffer, bits: number): PixelReader {
  if (bits <= 8) return paletteReader(buffer, bits);
  const hasMasks = BIT_FIELDS.includes(buffer.readUInt32LE(30)) && buffer.length >= 66;
  if (bits === 24 || (bits === 32 && !hasMasks)) return byteReader(buffer, bits / 8);
  const hasAlphaMask = hasMasks && buffer.readUInt32LE(14) >= 56;
  const masks = hasMasks
    ? [54, 58, 62, ...(hasAlphaMask ? [66] : [])].map((at) => buffer.readUInt32LE(at))
    : [0x7c00, 0x03e0, 0x001f];
  return maskReader(buffer, bits, masks);
}

function paletteReader(buffer: Buffer, bits: number): PixelReader {
  const start = 14 + buffer.readUInt32LE(14);
  const declared = buffer.readUInt32LE(46);
  const count = declared === 0 || declared > 2 ** bits ? 2 ** bits : declared;
  if (start + 4 * count > buffer.length) throw cutOff();
  const perByte = 8 / bits;
  return (row, x, to, at) => {
    const byte = buffer[row + Math.floor(x / perByte)]!;
    const index = (byte >> (8 - bits * ((x % perByte) + 1))) & (2 ** bits - 1);
    if (index >= count)
      throw new Refusal("its pixels name colours that its palette lacks. Replace or remove it");
    const from = start + 4 * index; // blue, green, red, unused
    to[at] = buffer[from + 2]!;
    to[at + 1] = buffer[from + 1]!;
    to[at + 2] = buffer[from]!;
    to[at + 3] = 255;
  };
}

function byteReader(buffer: Buffer, length: number): PixelReader {
  return (row, x, to, at) => {
    const from = row + x * length;
    to[at] = buffer[from + 2]!;
    to[at + 1] = buffer[from + 1]!;
    to[at + 2] = buffer[from]!;
    to[at + 3] = 255; // a fourth byte without a mask means nothing
  };
}

function maskReader(buffer: Buffer, bits: number, masks: readonly number[]): PixelReader {
  const channels = masks.map((mask) => {
    const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
    return { mask, shift, most: mask >>> shift };
  });
  return (row, x, to, at) => {
    const value = bits === 16 ? buffer.readUInt16LE(row + 2 * x) : buffer.readUInt32LE(row + 4 * x);
    to[at + 3] = masks.length > 3 ? 0 : 255;
    channels.forEach(({ mask, shift, most }, channel) => {
      to[at + channel] = most === 0 ? 0 : Math.round((((value & mask) >>> shift) * 255) / most);
    });
  };
}

function cutOff(): Refusal {
  return new Refusal(
    "its data ends too early: the file was cut off. Replace it by a whole copy, or remove it",
  );
}
