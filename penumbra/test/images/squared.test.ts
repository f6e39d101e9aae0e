import sharp, { type Sharp } from "sharp";
import { expect, test } from "vitest";
import { decodeImage, decodeWhole, FITS, squareOf } from "../../src/images/index.ts";
import { mulberry } from "../report/outcome.ts";

/** Files of one picture: each asks the decoders for something else. */
const FILES: Readonly<Record<string, (picture: Sharp) => Sharp>> = {
  JPEG: (picture) => picture.jpeg({ quality: 85 }),
  "progressive JPEG": (picture) => picture.jpeg({ progressive: true }),
  "grey JPEG": (picture) => picture.greyscale().jpeg(),
  "CMYK JPEG": (picture) => picture.toColourspace("cmyk").jpeg(),
  "JPEG with a profile": (picture) => picture.withIccProfile("p3").jpeg(),
  "turned JPEG": (picture) => picture.withMetadata({ orientation: 6 }).jpeg(),
  "turned and mirrored JPEG": (picture) => picture.withMetadata({ orientation: 5 }).jpeg(),
  "mirrored JPEG": (picture) => picture.withMetadata({ orientation: 2 }).jpeg(),
  "JPEG upside down": (picture) => picture.withMetadata({ orientation: 3 }).jpeg(),
  "turned grey JPEG": (picture) => picture.greyscale().withMetadata({ orientation: 8 }).jpeg(),
  PNG: (picture) => picture.png(),
  "interlaced PNG": (picture) => picture.png({ progressive: true }),
  "PNG of 16 bits": (picture) => picture.toColourspace("rgb16").png(),
  "PNG with transparency": (picture) => picture.ensureAlpha(0.5).png(),
  WebP: (picture) => picture.webp(),
  "tiled TIFF": (picture) => picture.tiff({ tile: true, tileWidth: 64, tileHeight: 64 }),
};

const MEDIUM = { width: 640, height: 427, channels: 3 } as const;
const medium = picture(MEDIUM);

/** 640 x 427 has positions just between two of libvips' phases, and shrinks enough to be decoded smaller. */
test.each(Object.entries(FILES))(
  "%s: a file is brought to a square as its whole picture is",
  async (_, encode) => {
    const file = await encode(sharp(await medium, { raw: MEDIUM })).toBuffer();
    const whole = await decodeWhole(file);
    for (const fit of FITS)
      expect(await decodeImage(file, 48, { fit })).toEqual(await squareOf(whole, 48, { fit }));
  },
);

test("so is a JPEG of 4000 x 3000 pixels, which could be decoded at an eighth", async () => {
  const raw = { width: 4000, height: 3000, channels: 3 } as const;
  const file = await sharp(await picture(raw), { raw })
    .jpeg()
    .toBuffer();
  expect(await decodeImage(file, 64)).toEqual(await squareOf(await decodeWhole(file), 64));
});

/** Blocks with hard edges, and noise. */
async function picture({ width, height }: { readonly width: number; readonly height: number }) {
  const random = mulberry(width + height);
  const small = Uint8Array.from({ length: 3 * 40 * 30 }, () => 256 * random());
  const enlarged = await sharp(small, { raw: { width: 40, height: 30, channels: 3 } })
    .resize(width, height, { fit: "fill", kernel: "nearest" })
    .raw()
    .toBuffer();
  for (let i = 0; i < enlarged.length; i += 7) enlarged[i]! ^= 31 * random();
  return enlarged;
}
