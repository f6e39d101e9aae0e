/** The values of photos of 16 bits and of floats, and the 8-bit pictures that they become. */
import type { Sharp } from "sharp";
import sharp from "sharp";
import { declaredWhite, type Levels } from "./depth.ts";
import { Refusal } from "./formats.ts";
import type { OpenImage } from "./open.ts";
import { asColour, type Rgb, WHITE } from "./rgb.ts";

/** Values of 16 bits or floats, channels interleaved; alpha is one of them. */
interface DeepValues {
  readonly kind: Levels["kind"];
  readonly values: Uint16Array | Float32Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
}

/** What a deep photo holds, and its picture by its own largest value; decoded once, and again where it has an alpha. */
export async function probeDeep(image: OpenImage, kind: Levels["kind"], bytes: Uint8Array) {
  const deep = await deepValues(kind, image.pipeline().autoOrient());
  const levels = levelsOf(deep, image, bytes);
  const hasAlpha = deep.channels === 2 || deep.channels === 4;
  const opaque = hasAlpha ? await opaqueValues(image, kind, WHITE) : deep;
  return { levels, picture: deepRgb(opaque, levels.highest || 1) };
}

export function opaqueValues(image: OpenImage, kind: Levels["kind"], background: Rgb): Promise<DeepValues> {
  return deepValues(
    kind,
    image
      .pipeline()
      .autoOrient()
      .flatten({ background: asColour(background) }),
  );
}

async function deepValues(kind: Levels["kind"], pipeline: Sharp): Promise<DeepValues> {
  const isWide = kind === "uint16";
  const { data, info } = await (isWide ? pipeline.toColourspace("rgb16") : pipeline)
    .raw({ depth: isWide ? "ushort" : "float" })
    .toBuffer({ resolveWithObject: true });
  // Copied: the values must lie at a multiple of their size.
  const { buffer } = new Uint8Array(data);
  const { width, height, channels } = info;
  return {
    kind,
    values: isWide ? new Uint16Array(buffer) : new Float32Array(buffer),
    width,
    height,
    channels,
  };
}

function levelsOf({ kind, values }: DeepValues, image: OpenImage, bytes: Uint8Array): Levels {
  let highest = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > highest) highest = values[i]!;
  if (!Number.isFinite(highest))
    throw new Refusal("it holds infinite values. Write it again with finite ones");
  const declared = kind === "uint16" ? declaredWhite(bytes, image.format) : undefined;
  return { kind, highest, ...(declared !== undefined && { declared }) };
}

/** @param white the value that becomes 255 */
export function deepRgb({ values, width, height, channels }: DeepValues, white: number): Sharp {
  const scale = 255 / white;
  const data = new Uint8ClampedArray(values.length); // rounds, and holds what lies outside at 0 and 255
  for (let i = 0; i < values.length; i++) data[i] = values[i]! * scale;
  return sharp(data, { raw: { width, height, channels } });
}
