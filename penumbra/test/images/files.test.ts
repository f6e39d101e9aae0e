import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromTyped, type Tensor } from "@penumbra/torch";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { ASIDE_ENDING } from "../../src/files/index.ts";
import {
  contactSheet,
  decodeImage,
  decodeStrip,
  encodePng,
  encodeWebp,
  INTERPOLATIONS,
  pngBytes,
  probeImage,
  toUint8,
} from "../../src/images/index.ts";

const folder = mkdtempSync(join(tmpdir(), "penumbra-images-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A `width` x `height` picture of one colour, of 1 to 4 channels. */
function plain(width: number, height: number, colour: readonly number[]) {
  const data = Uint8Array.from(
    { length: width * height * colour.length },
    (_, i) => colour[i % colour.length]!,
  );
  return sharp(data, { raw: { width, height, channels: colour.length as 1 | 2 | 3 | 4 } });
}

/** Left half red, right half blue. */
function redBlue(width: number, height: number) {
  const data = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) data[3 * i + (i % width < width / 2 ? 0 : 2)] = 255;
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** [red, green, blue] at a place. */
const at = (pixels: Uint8Array, size: number, x: number, y: number) =>
  [0, 1, 2].map((c) => pixels[c * size * size + y * size + x]);

function gradient(height: number, width: number): Tensor {
  return fromTyped(
    Uint8Array.from({ length: 3 * height * width }, (_, i) => (i * 7) % 256),
    [3, height, width],
  );
}

describe("decoding", () => {
  test.each(["png", "jpeg", "webp", "gif", "tiff", "avif"] as const)("reads %s", async (format) => {
    const bytes = await plain(20, 10, [200, 100, 50]).toFormat(format, { quality: 95 }).toBuffer();
    const pixels = await decodeImage(bytes, 4);
    expect(pixels).toHaveLength(48);
    const [red, green, blue] = at(pixels, 4, 2, 2) as [number, number, number];
    // Lossy formats may be off by a few levels.
    expect(Math.abs(red - 200) + Math.abs(green - 100) + Math.abs(blue - 50)).toBeLessThan(15);
  });

  test("gives planes: red, green, blue", async () => {
    const pixels = await decodeImage(await plain(3, 3, [1, 2, 3]).png().toBuffer(), 2);
    expect([...pixels]).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  });

  test("turns the photo upright as its EXIF orientation says", async () => {
    const lying = await redBlue(16, 16).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer(); // turned clockwise
    const pixels = await decodeImage(lying, 8);
    const [top, bottom] = [at(pixels, 8, 4, 1), at(pixels, 8, 4, 6)] as [number[], number[]];
    expect(top[0]!).toBeGreaterThan(200);
    expect(bottom[2]!).toBeGreaterThan(200);
    const tall = await redBlue(16, 8).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect(await probeImage(tall)).toMatchObject({ width: 8, height: 16, format: "jpeg" });
  });

  test("lets the background show through transparency", async () => {
    const clear = await plain(4, 4, [0, 0, 0, 0]).png().toBuffer();
    expect(at(await decodeImage(clear, 2), 2, 0, 0)).toEqual([255, 255, 255]);
    expect(at(await decodeImage(clear, 2, { background: [10, 20, 30] }), 2, 1, 1)).toEqual([10, 20, 30]);
    const half = await plain(4, 4, [0, 0, 0, 128]).png().toBuffer();
    expect(at(await decodeImage(half, 2), 2, 0, 0)[0]).toBe(127);
  });

  test("repeats grey as three channels, with and without transparency", async () => {
    const grey = await plain(4, 4, [77]).toColourspace("b-w").png().toBuffer();
    expect((await sharp(grey).metadata()).channels).toBe(1);
    expect(at(await decodeImage(grey, 2), 2, 0, 0)).toEqual([77, 77, 77]);
    const greyAlpha = await plain(4, 4, [77, 255]).toColourspace("b-w").png().toBuffer();
    expect(at(await decodeImage(greyAlpha, 2), 2, 0, 0)).toEqual([77, 77, 77]);
  });

  test.each([1, 3] as const)("brings 16 bits of %i channel(s) to 8", async (channels) => {
    const deep = new Uint16Array(4 * 4 * channels).fill(0x8080);
    const space = channels === 1 ? "grey16" : "rgb16";
    const bytes = await sharp(deep, { raw: { width: 4, height: 4, channels } })
      .toColourspace(space)
      .png()
      .toBuffer();
    expect((await sharp(bytes).metadata()).depth).toBe("ushort");
    expect(at(await decodeImage(bytes, 2), 2, 0, 0)).toEqual([128, 128, 128]);
  });

  test("reads CMYK as sRGB", async () => {
    const bytes = await plain(8, 8, [255, 255, 255]).toColourspace("cmyk").jpeg().toBuffer();
    expect((await sharp(bytes).metadata()).space).toBe("cmyk");
    expect(Math.min(...(await decodeImage(bytes, 2)))).toBeGreaterThan(230);
  });

  test("squashes, letter-boxes or crops to a square", async () => {
    const wide = await redBlue(32, 16).png().toBuffer();
    const squashed = await decodeImage(wide, 8);
    expect([at(squashed, 8, 0, 0), at(squashed, 8, 7, 7)]).toEqual([
      [255, 0, 0],
      [0, 0, 255],
    ]);
    const boxed = await decodeImage(wide, 8, { fit: "letterbox", background: [9, 9, 9] });
    expect([at(boxed, 8, 0, 0), at(boxed, 8, 0, 4), at(boxed, 8, 7, 7)]).toEqual([
      [9, 9, 9],
      [255, 0, 0],
      [9, 9, 9],
    ]);
    const marked = await plain(32, 16, [5, 5, 5])
      .composite([{ input: await plain(4, 16, [250, 0, 0]).png().toBuffer(), left: 0, top: 0 }])
      .png()
      .toBuffer();
    const cropped = await decodeImage(marked, 8, { fit: "crop" });
    expect(at(cropped, 8, 2, 4)).toEqual([5, 5, 5]); // the red edge lies outside the central square
  });

  test("cuts a strip into its squares, scaled or not", async () => {
    const strip = await redBlue(16, 8).png().toBuffer();
    const squares = await decodeStrip(strip, 8);
    expect(squares.map((square) => at(square, 8, 4, 4))).toEqual([
      [255, 0, 0],
      [0, 0, 255],
    ]);
    expect((await decodeStrip(strip, 4)).map((square) => [square.length, square[0]])).toEqual([
      [48, 255],
      [48, 0],
    ]);
    await expect(decodeStrip(await redBlue(15, 8).png().toBuffer(), 8)).rejects.toThrow(
      /no strip of squares/,
    );
  });

  test("says which file is wrong, why, and what to do", async () => {
    const path = join(folder, "broken.jpg");
    const whole = await redBlue(64, 64).jpeg().toBuffer();
    for (const content of [Buffer.alloc(0), Buffer.from("no image"), whole.subarray(0, whole.length - 40)]) {
      writeFileSync(path, content);
      await expect(decodeImage(path, 8)).rejects.toThrow(
        /Cannot read the image ".*broken\.jpg": .+\. (Copy it again|Convert it|Replace it)/,
      );
      await expect(probeImage(path)).rejects.toThrow(/Cannot read the image/);
    }
    await expect(decodeImage(join(folder, "none.png"), 8)).rejects.toThrow(/none\.png/);
    await expect(decodeImage(whole, 0)).rejects.toThrow(/size must be a whole number/);
  });
});

describe("encoding", () => {
  test("PNG and lossless WebP give back the same pixels", async () => {
    const image = gradient(9, 9);
    await encodePng(image, join(folder, "a.png"));
    await encodeWebp(image, join(folder, "a.webp"), { lossless: true });
    for (const name of ["a.png", "a.webp"])
      expect(await decodeImage(join(folder, name), 9)).toEqual(image.toTyped());
    expect(readdirSync(folder).filter((name) => name.includes(ASIDE_ENDING))).toEqual([]);
  });

  test("values 0..1 are rounded to 0..255 and cut at both ends", async () => {
    const image = fromTyped(Float32Array.from([-1, 0.5, 2, 0.1, 0.2, 0.9]), [3, 1, 2]);
    expect([...toUint8(image).toTyped()]).toEqual([0, 128, 255, 26, 51, 230]);
    const { data } = await sharp(await pngBytes(image))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([...data]).toEqual([0, 255, 51, 128, 26, 230]);
  });

  test("a batch is refused with the shape that is needed, and a folder that is missing is made", async () => {
    const batch = gradient(4, 4).unsqueeze(0);
    await expect(encodePng(batch, join(folder, "b.png"))).rejects.toThrow(
      /shape \[1,3,4,4\]: an image is \[3, height, width\]/,
    );
    await encodePng(gradient(4, 4), join(folder, "deep", "b.png"));
    expect(readdirSync(join(folder, "deep"))).toEqual(["b.png"]);
  });
});

test("a contact sheet lays images out row by row", () => {
  const images = fromTyped(
    Uint8Array.from({ length: 3 * 3 * 4 }, (_, i) => Math.floor(i / 12) + 1),
    [3, 3, 2, 2],
  );
  const sheet = contactSheet(images, { columns: 2, gap: 1, background: 0 });
  expect(sheet.shape).toEqual([3, 5, 5]);
  const rows = sheet.select(0, 0).tolist();
  expect(rows).toEqual([
    [1, 1, 0, 2, 2],
    [1, 1, 0, 2, 2],
    [0, 0, 0, 0, 0],
    [3, 3, 0, 0, 0],
    [3, 3, 0, 0, 0],
  ]);
  expect(() => contactSheet(images, { columns: 0 })).toThrow(/at least one column/);
});

test("photos are resized as the interpolation says, with PIL's values where they shrink a little", async () => {
  const step = Buffer.from(Array.from({ length: 6 * 6 * 3 }, (_, i) => (i % 18 < 9 ? 0 : 255)));
  const file = await sharp(step, { raw: { width: 6, height: 6, channels: 3 } })
    .png()
    .toBuffer();
  // PIL 12: Image.resize((4, 4), …) of the same image, first row
  const expected = {
    ...{ nearest: [0, 0, 255, 255], bilinear: [0, 28, 227, 255] },
    ...{ bicubic: [0, 12, 243, 255], lanczos3: [0, 10, 245, 255] },
  };
  for (const interpolation of INTERPOLATIONS)
    expect([...(await decodeImage(file, 4, { interpolation }))].slice(0, 4)).toEqual(expected[interpolation]);
});
