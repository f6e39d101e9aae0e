/** Formats that sharp's library does not hold, each read in a way of its own; libraries are loaded when one is met. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { compileFunction } from "node:vm";
import { readBmp } from "./bmp.ts";
import { damaged, type ImageFormat, Refusal } from "./formats.ts";
import type { RawImage } from "./raw-image.ts";

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

interface HeifImage {
  get_width(): number;
  get_height(): number;
  display(
    into: { data: Uint8ClampedArray; width: number; height: number },
    done: (filled: { readonly data: Uint8ClampedArray } | null) => void,
  ): void;
  free(): void;
}
interface HeifModule {
  readonly HeifDecoder: new () => { decode(bytes: Uint8Array): HeifImage[] };
}
let heif: HeifModule | undefined;

async function readHeic(bytes: Uint8Array): Promise<RawImage> {
  heif ??= (quietly("libheif-js/libheif-wasm/libheif-bundle.js") as () => HeifModule)();
  const images = new heif.HeifDecoder().decode(bytes);
  try {
    const [first] = images;
    if (!first) throw damaged("HEIC");
    const [width, height] = [first.get_width(), first.get_height()];
    requireSize(width, height);
    const into = { data: new Uint8ClampedArray(4 * width * height), width, height };
    const filled = await new Promise<{ readonly data: Uint8ClampedArray } | null>((resolve) => {
      first.display(into, resolve);
    });
    if (!filled) throw damaged("HEIC");
    return { data: new Uint8Array(filled.data), width, height, channels: 4 };
  } finally {
    for (const image of images) image.free();
  }
}

/** A CommonJS module that writes what it thinks of damaged files to the console, loaded with one that is silent. */
function quietly(name: string): unknown {
  const path = require.resolve(name);
  const silence = Object.fromEntries(["log", "warn", "error", "info", "debug"].map((key) => [key, () => {}]));
  const module = { exports: {} as unknown };
  const parameters = ["exports", "require", "module", "__filename", "__dirname", "console"];
  const run = compileFunction(readFileSync(path, "utf8"), parameters, { filename: path }) as (
    ...values: unknown[]
  ) => void;
  run(module.exports, createRequire(path), module, path, dirname(path), silence);
  return module.exports;
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

async function readJpeg2000(bytes: Uint8Array): Promise<RawImage> {
  requireSize(...sizeOfJpeg2000(bytes));
  const make = require("@cornerstonejs/codec-openjpeg/decode") as (
    options: object,
  ) => Promise<Jpeg2000Module>;
  const silent = () => {};
  // An instance for each picture: in memory used before, a damaged one would show parts of another.
  const { J2KDecoder } = await make({ print: silent, printErr: silent });
  const decoder = new J2KDecoder();
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { width, height, bitsPerSample, componentCount, isSigned } = decoder.getFrameInfo();
    const decoded = decoder.getDecodedBuffer();
    const isWide = bitsPerSample > 8;
    const values = width * height * componentCount;
    if (values === 0 || decoded.byteLength !== values * (isWide ? 2 : 1)) throw damaged("JPEG 2000");
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

/** Width and height by the SIZ marker (ISO/IEC 15444-1, A.5.1), which stands at the head of the code stream. */
function sizeOfJpeg2000(bytes: Uint8Array): [width: number, height: number] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = buffer.indexOf(Uint8Array.of(0xff, 0x4f, 0xff, 0x51));
  if (start < 0 || start + 24 > buffer.length) throw damaged("JPEG 2000");
  const [right, bottom, left, top] = [8, 12, 16, 20].map((at) => buffer.readUInt32BE(start + at)) as [
    number,
    number,
    number,
    number,
  ];
  return [right - left, bottom - top];
}
