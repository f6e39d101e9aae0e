/** Formats that sharp's library does not hold, each read in a way of its own; libraries are loaded when one is met. */
import { createRequire } from "node:module";
import { readBmp } from "./bmp.ts";
import { type ImageFormat, Refusal } from "./formats.ts";

/** Pixels as they lie in memory: rows from the top, channels interleaved. */
export interface RawImage {
  readonly data: Uint8Array | Uint16Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

/** The same limit as sharp's: what declares more is damaged or an attack. */
const MOST_PIXELS = 0x3fff * 0x3fff;

const require = createRequire(import.meta.url);

export const FOREIGN_READERS: Readonly<
  Partial<Record<ImageFormat, (bytes: Uint8Array) => Promise<RawImage>>>
> = {
  bmp: async (bytes) => readBmp(bytes, requireSize),
  heic: readHeic,
  jp2: readJpeg2000,
};

interface HeicImage {
  readonly width: number;
  readonly height: number;
  decode(): Promise<{ readonly data: Uint8ClampedArray }>;
}
interface HeicModule {
  all(options: { buffer: Uint8Array }): Promise<HeicImage[] & { dispose(): void }>;
}

async function readHeic(bytes: Uint8Array): Promise<RawImage> {
  const { all } = require("heic-decode") as HeicModule;
  const images = await all({ buffer: bytes });
  try {
    const [first] = images;
    if (!first) throw new Refusal("it holds no image. Replace or remove it");
    const { width, height } = first;
    requireSize(width, height);
    const { data } = await first.decode();
    return { data: new Uint8Array(data.buffer, data.byteOffset, data.length), width, height, channels: 4 };
  } finally {
    images.dispose();
  }
}

interface Jpeg2000Decoder {
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  getFrameInfo(): {
    readonly width: number;
    readonly height: number;
    readonly bitsPerSample: number;
    readonly componentCount: number;
    readonly isSigned: boolean;
  };
  getDecodedBuffer(): Uint8Array;
  delete(): void;
}
type Jpeg2000Module = { new (): never; readonly J2KDecoder: new () => Jpeg2000Decoder };
let jpeg2000: Promise<Jpeg2000Module> | undefined;

async function readJpeg2000(bytes: Uint8Array): Promise<RawImage> {
  const make = require("@cornerstonejs/codec-openjpeg/decode") as (
    options: object,
  ) => Promise<Jpeg2000Module>;
  const silent = () => {};
  jpeg2000 ??= make({ print: silent, printErr: silent });
  requireSize(...sizeOfJpeg2000(bytes));
  const decoder = new (await jpeg2000).J2KDecoder();
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { width, height, bitsPerSample, componentCount, isSigned } = decoder.getFrameInfo();
    const decoded = decoder.getDecodedBuffer();
    const isWide = bitsPerSample > 8;
    const values = width * height * componentCount;
    if (values === 0 || decoded.byteLength !== values * (isWide ? 2 : 1)) throw damaged();
    if (isSigned || bitsPerSample > 16 || ![1, 3, 4].includes(componentCount)) {
      throw new Refusal(
        `it has ${componentCount} components of ${isSigned ? "signed " : ""}${bitsPerSample} bits, which are not decoded. Convert it to PNG`,
      );
    }
    const own = decoded.slice(); // the decoder's memory goes with it
    return {
      data: isWide ? new Uint16Array(own.buffer, 0, values) : own,
      width,
      height,
      channels: componentCount as 1 | 3 | 4,
    };
  } finally {
    decoder.delete();
  }
}

function requireSize(width: number, height: number): void {
  if (width >= 1 && height >= 1 && width * height <= MOST_PIXELS) return;
  throw new Refusal(`it declares ${width} x ${height} pixels, which no photo has. Replace or remove it`);
}

function damaged(): Refusal {
  return new Refusal("its data is damaged. Replace it by a whole copy, or remove it");
}

/** Width and height by the SIZ marker (ISO/IEC 15444-1, A.5.1), which stands at the head of the code stream. */
function sizeOfJpeg2000(bytes: Uint8Array): [width: number, height: number] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = buffer.indexOf(Uint8Array.of(0xff, 0x4f, 0xff, 0x51));
  if (start < 0 || start + 24 > buffer.length) throw damaged();
  const [right, bottom, left, top] = [8, 12, 16, 20].map((at) => buffer.readUInt32BE(start + at)) as [
    number,
    number,
    number,
    number,
  ];
  return [right - left, bottom - top];
}
