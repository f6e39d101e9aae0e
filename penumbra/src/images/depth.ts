/**
 * Depth: which stored value is white. Files of 16 bits or of floats do not say it reliably: industrial cameras write
 * 10 or 12 bits into 16, and scaled by 65535 such photos are black. The relative brightness of photos is information,
 * so it is decided once for a whole set.
 */
import { ImageError } from "./errors.ts";
import type { ImageFormat } from "./formats.ts";

/** How a file keeps its values; photos of 8 bits need no decision. */
export type SampleKind = "uint8" | "uint16" | "float32";

/** What a deep photo holds. */
export interface Levels {
  readonly kind: Exclude<SampleKind, "uint8">;
  /** Largest value found. */
  readonly highest: number;
  /** White by the file's own tags (PNG's sBIT, TIFF's BitsPerSample and MaxSampleValue), where there are any. */
  readonly declared?: number;
}

/** The stored value that means white, for files of 16 bits and for floats; black is 0. */
export interface White {
  readonly uint16: number;
  readonly float32: number;
}

/** A decision about a set, and the words for it where there was one to make. */
export interface DepthDecision {
  readonly white: White;
  /** Empty where every photo has 8 bits. */
  readonly reasons: readonly string[];
}

export const FULL_DEPTH: White = { uint16: 65535, float32: 1 };

/** Depths of sensors, in bits. */
const SENSOR_BITS = [8, 10, 12, 14, 16];
/** Scales that floats are written in; a little above 1 is overshoot of a resampling. */
const FLOAT_SCALES = [1, 255, 1023, 4095, 16383, 65535];
const OVERSHOOT = 1.05;

/**
 * Decides what is white in a set of photos: the setting, or what the tags of all say where no photo goes beyond it, or
 * the smallest usual depth that holds every photo's largest value.
 *
 * @param levels of the deep photos of the set
 * @param setting bits that are used of 16 (8 … 16), or "auto"
 * @throws ImageError when photos go beyond the setting
 */
export function decideDepth(levels: readonly Levels[], setting: number | "auto" = "auto"): DepthDecision {
  const of = (kind: Levels["kind"]) => levels.filter((each) => each.kind === kind);
  const [wide, float] = [of("uint16"), of("float32")];
  const reasons: string[] = [];
  const white = { ...FULL_DEPTH };
  if (wide.length > 0) {
    const { value, reason } = setting === "auto" ? whiteOfWide(wide) : whiteBySetting(wide, setting);
    white.uint16 = value;
    reasons.push(
      `${photos(wide.length)} of 16 bits: white is ${value} (${reason}). Set "depth" to change it.`,
    );
  }
  if (float.length > 0) {
    const highest = highestOf(float);
    const scale = FLOAT_SCALES.find((each) => highest <= each * OVERSHOOT) ?? highest;
    white.float32 = scale;
    reasons.push(
      `${photos(float.length)} of floating-point values: white is ${scale} (the largest is ${format(highest)}).`,
    );
  }
  return { white, reasons };
}

function whiteOfWide(levels: readonly Levels[]): { value: number; reason: string } {
  const highest = highestOf(levels);
  const declared = levels.map((each) => each.declared);
  const tagged = declared.every((value) => value !== undefined) ? Math.max(...declared) : undefined;
  if (tagged !== undefined && highest <= tagged) return { value: tagged, reason: "by the files' own tags" };
  const bits = SENSOR_BITS.find((each) => highest < 2 ** each) ?? 16;
  const reason =
    bits === 16
      ? `the largest value is ${highest}`
      : `${bits} bits are used: the largest value is ${highest}`;
  return { value: 2 ** bits - 1, reason };
}

function whiteBySetting(levels: readonly Levels[], bits: number): { value: number; reason: string } {
  const value = 2 ** bits - 1;
  const highest = highestOf(levels);
  if (highest > value) {
    throw new ImageError(
      `The setting "depth" is ${bits} bits (0 to ${value}), but photos hold values up to ${highest}. Raise it, or set it to auto.`,
    );
  }
  return { value, reason: `${bits} bits by the setting "depth"` };
}

function highestOf(levels: readonly Levels[]): number {
  return levels.reduce((most, { highest }) => Math.max(most, highest), 0);
}

function photos(count: number): string {
  return `${count} photo${count === 1 ? "" : "s"}`;
}

function format(value: number): string {
  return Number.isInteger(value) ? `${value}` : value.toPrecision(4);
}

/**
 * White by the tags of a 16-bit file, or undefined where it says nothing: PNG's sBIT chunk (bits that are significant;
 * PNG specification, 11.3.2.7), TIFF's BitsPerSample below 16 or MaxSampleValue (TIFF 6.0, tags 258 and 281).
 */
export function declaredWhite(bytes: Uint8Array, format: ImageFormat): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (format === "png") return significantOfPng(view);
  return format === "tiff" ? highestOfTiff(view) : undefined;
}

function significantOfPng(view: DataView): number | undefined {
  for (let at = 8; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    const name = view.getUint32(at + 4);
    if (name === 0x49444154) return undefined; // IDAT: sBIT stands before it
    if (name === 0x73424954 && at + 8 < view.byteLength) return 2 ** view.getUint8(at + 8) - 1; // sBIT
  }
  return undefined;
}

const BITS_PER_SAMPLE = 258;
const MAX_SAMPLE_VALUE = 281;

/** Reads the first directory of a classic TIFF; only SHORT entries count. */
function highestOfTiff(view: DataView): number | undefined {
  const little = view.getUint16(0) === 0x4949;
  if (view.getUint16(2, little) !== 42) return undefined; // BigTIFF
  const directory = view.getUint32(4, little);
  if (directory + 2 > view.byteLength) return undefined;
  const entries = view.getUint16(directory, little);
  let found: number | undefined;
  for (let i = 0, at = directory + 2; i < entries && at + 12 <= view.byteLength; i++, at += 12) {
    const [tag, type] = [view.getUint16(at, little), view.getUint16(at + 2, little)];
    const count = view.getUint32(at + 4, little);
    if (type !== 3 || (tag !== BITS_PER_SAMPLE && tag !== MAX_SAMPLE_VALUE)) continue;
    // One or two SHORTs stand in the entry itself, more where it points to.
    const place = count <= 2 ? at + 8 : view.getUint32(at + 8, little);
    if (place + 2 > view.byteLength) continue;
    const value = view.getUint16(place, little);
    if (tag === MAX_SAMPLE_VALUE && value > 0) return value;
    if (tag === BITS_PER_SAMPLE && value > 8 && value < 16) found = 2 ** value - 1;
  }
  return found;
}
