import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { sniffFormat } from "../../src/images/formats.ts";
import { readPlainHeader } from "../../src/images/header.ts";

const folder = join(import.meta.dirname, "decoded");
const files = readdirSync(folder)
  .filter((name) => /\.(jpg|png|webp)$/.test(name))
  .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));

function headerOf(bytes: Uint8Array) {
  const sniffed = sniffFormat(bytes);
  return "format" in sniffed ? readPlainHeader(bytes, sniffed.format) : undefined;
}

/** What libvips reads, in the same words. */
async function byLibvips(bytes: Uint8Array) {
  const { width, height, depth, hasAlpha, orientation = 1, channels } = await sharp(bytes).metadata();
  return {
    width,
    height,
    isOpaque: !hasAlpha,
    depth,
    orientation,
    isColourOrGrey: channels !== 4 || hasAlpha,
  };
}

describe("the header of a plain photo", () => {
  test.each(files)("$name is read as libvips reads it, or left to it", async ({ bytes }) => {
    const header = headerOf(bytes);
    const expected = await byLibvips(bytes);
    if (header) expect({ ...expected, ...header }).toEqual(expected);
    if (header) expect(expected).toMatchObject({ depth: "uchar", orientation: 1, isColourOrGrey: true });
  });

  test("is read of ordinary JPEG, PNG and WebP, and left where the photo is turned, deep or CMYK", () => {
    const read = files.filter(({ bytes }) => headerOf(bytes)).map(({ name }) => name);
    expect(read).toEqual(
      expect.arrayContaining(["rgb-444.jpg", "progressive.jpg", "rgb.png", "palette.png"]),
    );
    expect(read).toEqual(expect.arrayContaining(["rgb.webp", "lossy.webp", "gray.jpg", "bits.png"]));
    for (const name of read) expect(name).not.toMatch(/orientation-[2-8]|cmyk|of-16/);
  });

  test("is opaque only without an alpha channel and without a transparent colour", () => {
    const isOpaque = (name: string) => headerOf(readFileSync(join(folder, name)))?.isOpaque;
    expect(["rgb.png", "rgb.webp"].map(isOpaque)).toEqual([true, true]);
    expect(["rgba.png", "la.png", "palette-transparent.png"].map(isOpaque)).toEqual([false, false, false]);
  });

  test("says nothing else than libvips of damaged files that libvips can open", async () => {
    const mutated = fc.record({
      file: fc.constantFrom(...files),
      length: fc.double({ min: 0, max: 1, noNaN: true }),
      changes: fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(mutated, async ({ file: { bytes }, length, changes }) => {
        const copy = Buffer.from(bytes.subarray(0, Math.ceil(length * bytes.length)));
        for (const [at, value] of changes) copy[at % copy.length] = value;
        const header = headerOf(copy);
        const expected = header && (await byLibvips(copy).catch(() => undefined));
        if (expected) expect({ ...expected, ...header }).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});
