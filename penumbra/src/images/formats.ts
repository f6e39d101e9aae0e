/**
 * What a file is, by its first bytes: names lie, and a decoder's own words for a file that it does not know change
 * from call to call.
 */

/** Formats that are decoded. */
export type ImageFormat = "jpeg" | "png" | "webp" | "gif" | "tiff" | "avif" | "heic" | "bmp" | "jp2";

/** A format, or why a file with such a beginning cannot be used and what to do. */
export type Sniffed = { readonly format: ImageFormat } | { readonly refusal: string };

/** Thrown for a file that is refused for a reason of its own; the message says what to do too. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** A file whose picture has more pixels than the caller allows. */
export class TooLargeRefusal extends Refusal {}

/**
 * What is said of a file that its decoder refuses. The decoder's own words are not repeated: several files decoded at
 * once share one buffer of messages in libvips, so that they change from run to run.
 */
export function damaged(title: string): Refusal {
  return new Refusal(
    `it begins as a ${title} file, but its data is damaged or ends too early. Replace it by a whole copy, or remove it`,
  );
}

/** What people call the formats. */
export const FORMAT_TITLES: Readonly<Record<ImageFormat, string>> = {
  jpeg: "JPEG",
  png: "PNG",
  webp: "WebP",
  gif: "GIF",
  tiff: "TIFF",
  avif: "AVIF",
  heic: "HEIC",
  bmp: "BMP",
  jp2: "JPEG 2000",
};

interface Signature {
  readonly found: ImageFormat | { readonly refusal: string };
  readonly matches: (bytes: Uint8Array) => boolean;
}

const CONVERT = "Convert it to PNG, JPEG or WebP";
const RAW = {
  refusal: `it is a camera's raw file. ${CONVERT} with the camera maker's program or darktable`,
};

/** Brands of the ISO base media format (ftyp box, ISO/IEC 23008-12 and the AVIF specification). */
const AVIF_BRANDS = new Set(["avif", "avis"]);
const HEIC_BRANDS = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]);

/** In this order: the more particular signature first. */
const SIGNATURES: readonly Signature[] = [
  { found: "jpeg", matches: starts([0xff, 0xd8, 0xff]) },
  { found: "png", matches: starts([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) },
  { found: "gif", matches: (bytes) => ["GIF87a", "GIF89a"].includes(text(bytes, 0, 6)) },
  { found: "webp", matches: (bytes) => text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP" },
  { found: RAW, matches: isRaw },
  { found: "tiff", matches: isTiff },
  { found: "avif", matches: (bytes) => brandsOf(bytes).some((brand) => AVIF_BRANDS.has(brand)) },
  { found: "heic", matches: (bytes) => brandsOf(bytes).some((brand) => HEIC_BRANDS.has(brand)) },
  { found: "jp2", matches: isJpeg2000 },
  { found: "bmp", matches: (bytes) => text(bytes, 0, 2) === "BM" && bytes.length >= 26 },
  {
    found: { refusal: `it is a JPEG XL file, which is not decoded. ${CONVERT} (djxl photo.jxl photo.png)` },
    matches: (bytes) => starts([0xff, 0x0a])(bytes) || text(bytes, 4, 8) === "JXL ",
  },
  {
    found: { refusal: "it is a drawing (SVG), not a photo. Export it as PNG, or remove it" },
    matches: (bytes) =>
      /^\uFEFF?\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)*(<!DOCTYPE svg|<svg[\s>])/i.test(head(bytes)),
  },
  {
    found: {
      refusal: "it is a pointer of Git LFS, not the photo itself. Fetch the photos with: git lfs pull",
    },
    matches: (bytes) => head(bytes).startsWith("version https://git-lfs"),
  },
  {
    found: { refusal: "it is a PDF document. Export its pages as PNG" },
    matches: (bytes) => text(bytes, 0, 5) === "%PDF-",
  },
  {
    found: { refusal: "it is a web page, not a photo: the download went wrong. Download it again" },
    matches: (bytes) => /^\uFEFF?\s*<(!doctype html|html)/i.test(head(bytes)),
  },
  {
    found: { refusal: "it is an archive. Unpack it" },
    matches: (bytes) => starts([0x50, 0x4b, 0x03, 0x04])(bytes) || starts([0x1f, 0x8b])(bytes),
  },
];

/**
 * Tells what a file holds by its first bytes.
 *
 * @param bytes the file, or at least its first kilobyte
 */
export function sniffFormat(bytes: Uint8Array): Sniffed {
  if (bytes.length === 0) return { refusal: "it is empty (0 bytes). Copy it again" };
  const found = SIGNATURES.find(({ matches }) => matches(bytes))?.found;
  if (found === undefined) {
    return { refusal: `its first bytes are those of no known image format. ${CONVERT}, or remove it` };
  }
  return typeof found === "string" ? { format: found } : found;
}

function starts(signature: readonly number[]): (bytes: Uint8Array) => boolean {
  return (bytes) => signature.every((value, index) => bytes[index] === value);
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function head(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, 1024));
}

function isTiff(bytes: Uint8Array): boolean {
  const order = text(bytes, 0, 2);
  if (order !== "II" && order !== "MM") return false;
  const version = order === "II" ? bytes[2]! | (bytes[3]! << 8) : (bytes[2]! << 8) | bytes[3]!;
  return version === 42 || version === 43; // 43: BigTIFF
}

/** Canon CR2 and CR3, Olympus, Panasonic, Fuji; Nikon's, Sony's and Adobe's look like TIFF and are told by it. */
function isRaw(bytes: Uint8Array): boolean {
  return (
    (isTiff(bytes) && text(bytes, 8, 10) === "CR") ||
    brandsOf(bytes).includes("crx ") ||
    ["IIRO", "IIRS", "MMOR", "IIU\0"].includes(text(bytes, 0, 4)) ||
    text(bytes, 0, 8) === "FUJIFILM"
  );
}

/** The container (JP2) or the bare code stream (SOC and SIZ markers). */
function isJpeg2000(bytes: Uint8Array): boolean {
  return text(bytes, 4, 8) === "jP  " || starts([0xff, 0x4f, 0xff, 0x51])(bytes);
}

/** The major brand and the compatible ones; none where there is no ftyp box. */
function brandsOf(bytes: Uint8Array): string[] {
  if (text(bytes, 4, 8) !== "ftyp" || bytes.length < 16) return [];
  const length = Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), bytes.length, 256);
  const brands = [text(bytes, 8, 12)];
  for (let at = 16; at + 4 <= length; at += 4) brands.push(text(bytes, at, at + 4));
  return brands;
}
