/** Photos written again in the kinds of files that cameras and scanners write, larger than any classifier looks at them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";

interface Format {
  readonly name: string;
  readonly ending: string;
  readonly size: readonly [width: number, height: number];
  readonly encode: (picture: Sharp) => Sharp;
}

const FORMATS: readonly Format[] = [
  {
    name: "JPEG 640 x 427",
    ending: "jpg",
    size: [640, 427],
    encode: (picture) => picture.jpeg({ quality: 90 }),
  },
  {
    ...{ name: "JPEG turned by EXIF", ending: "jpg", size: [640, 427] },
    encode: (picture) => picture.withMetadata({ orientation: 6 }).jpeg({ quality: 90 }),
  },
  { name: "JPEG grey", ending: "jpg", size: [500, 333], encode: (picture) => picture.greyscale().jpeg() },
  {
    ...{ name: "JPEG CMYK", ending: "jpg", size: [320, 200] },
    encode: (picture) => picture.toColourspace("cmyk").jpeg({ quality: 95 }),
  },
  {
    ...{ name: "PNG of 16 bits", ending: "png", size: [300, 451] },
    encode: (picture) => picture.toColourspace("rgb16").png(),
  },
  {
    name: "WebP 800 x 600",
    ending: "webp",
    size: [800, 600],
    encode: (picture) => picture.webp({ quality: 90 }),
  },
  { name: "JPEG 4000 x 3000", ending: "jpg", size: [4000, 3000], encode: (picture) => picture.jpeg() },
];

/** The views of objects, each object in a folder of its own, as JPEG of several sizes. */
export function writeInSizes(objects: readonly (readonly string[])[], folder: string) {
  return Promise.all(
    objects.map(async (views, object) => ({
      photos: await Promise.all(
        views.map(async (view, index) => {
          const own = join(folder, `object-${object}`);
          await mkdir(own, { recursive: true });
          const path = join(own, `${index}.jpg`);
          await sharp(view)
            .flatten({ background: "white" })
            .resize(320 + 40 * (index % 5), 240 + 30 * (index % 3), { fit: "fill" })
            .jpeg({ quality: 90 })
            .toFile(path);
          return path;
        }),
      ),
      kind: "views of several sizes",
    })),
  );
}

/** Every photo in one of the formats, in turns. */
export function writeInFormats(photos: readonly string[], folder: string) {
  return Promise.all(
    photos.map(async (photo, index) => {
      const { name, ending, size, encode } = FORMATS[index % FORMATS.length]!;
      const large = await sharp(photo)
        .flatten({ background: "white" })
        .resize(...size, { fit: "fill" })
        .toColourspace("srgb")
        .png({ compressionLevel: 1 })
        .toBuffer();
      const path = join(folder, `${index}.${ending}`);
      await writeFile(path, await encode(sharp(large)).toBuffer());
      return { photos: [path], kind: name };
    }),
  );
}
