import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import {
  decideDepth,
  decodeImage,
  decodeWhole,
  FULL_DEPTH,
  probeImage,
  reasonOf,
} from "../../src/images/index.ts";

const odd = (file: string) => join(import.meta.dirname, "odd-photos", file);

/** Largest difference of two pictures of the same size, in levels. */
function distance(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

describe("depth", () => {
  test.each([
    ["gray16_10bit.png", "gray8.png", 1023],
    ["gray16_12bit.tif", "gray8.png", 4095],
    ["gray16_full.png", "gray8.png", 65535],
    ["rgb16_12bit.png", "ref.png", 4095],
    ["float01.tif", "gray8.png", 1],
  ])("%s is the picture of its 8-bit twin", async (file, twin, expected) => {
    const { levels } = await probeImage(odd(file));
    const { white, reasons } = decideDepth(levels ? [levels] : []);
    expect(white[levels!.kind]).toBe(expected);
    expect(reasons.join()).toContain(`white is ${expected}`);
    expect(
      distance((await decodeWhole(odd(file), { white })).data, (await decodeWhole(odd(twin))).data),
    ).toBeLessThan(3);
  });

  test("is decided for the set: a dark photo stays dark beside a bright one", () => {
    const dark = { kind: "uint16", highest: 200 } as const;
    const bright = { kind: "uint16", highest: 3900 } as const;
    expect(decideDepth([dark, bright]).white.uint16).toBe(4095);
    expect(decideDepth([bright, dark]).white.uint16).toBe(4095);
    expect(decideDepth([dark]).white.uint16).toBe(255);
    expect(decideDepth([])).toEqual({ white: FULL_DEPTH, reasons: [] });
  });

  test("tags decide where all have them and no photo goes beyond; a setting decides over both", () => {
    const tagged = { kind: "uint16", highest: 900, declared: 4095 } as const;
    expect(decideDepth([tagged]).white.uint16).toBe(4095);
    expect(decideDepth([tagged, { kind: "uint16", highest: 900 }]).white.uint16).toBe(1023);
    expect(decideDepth([tagged, { kind: "uint16", highest: 60000, declared: 4095 }]).white.uint16).toBe(
      65535,
    );
    expect(decideDepth([tagged], 14).white.uint16).toBe(16383);
    expect(() => decideDepth([{ kind: "uint16", highest: 5000 }], 12)).toThrow(
      /"depth" is 12 bits.*up to 5000/,
    );
  });

  test("no photo is brighter than white, whatever the set", () => {
    const levels = fc.record({
      kind: fc.constant("uint16" as const),
      highest: fc.integer({ min: 0, max: 65535 }),
    });
    fc.assert(
      fc.property(fc.array(levels, { minLength: 1 }), (set) => {
        const { white } = decideDepth(set);
        expect(set.every(({ highest }) => highest <= white.uint16)).toBe(true);
      }),
    );
  });
});

describe("formats", () => {
  test.each([
    ["rgb.bmp", 0],
    ["j2k.jp2", 0],
    ["cmyk.jpg", 0],
    ["phone.heic", 8], // a lossy coding of the picture
  ])("%s is decoded", async (file, tolerance) => {
    const { data } = await decodeWhole(odd(file));
    expect(distance(data, (await decodeWhole(odd("ref.png"))).data)).toBeLessThanOrEqual(tolerance);
  });

  test.each([
    ["lfs.jpg", /pointer of Git LFS.*git lfs pull/],
    ["svgnamed.png", /a drawing \(SVG\).*Export it as PNG/],
    ["trunc_base_90.jpg", /data ends too early/],
  ])("%s is refused for its own reason, the same every time", async (file, reason) => {
    const reasons = await Promise.all(
      Array.from({ length: 20 }, () => probeImage(odd(file)).then(() => "read", reasonOf)),
    );
    expect(new Set(reasons).size).toBe(1);
    expect(reasons[0]).toMatch(reason);
  });

  test.each([
    [
      "camera raw",
      Buffer.from("II*\0\x10\0\0\0CR\x02\0aaaaaaaaaaaaaaaaaaaaa", "latin1"),
      /camera's raw file/,
    ],
    ["JPEG XL", Buffer.from([0xff, 0x0a, 1, 2, 3, 4, 5, 6]), /JPEG XL/],
    ["a web page", Buffer.from("<!DOCTYPE html><html><body>404"), /web page/],
    ["an archive", Buffer.from("PK\x03\x04aaaaaaaaaaaaaaaa", "latin1"), /archive/],
    ["text", Buffer.from("hello"), /no known image format/],
    ["nothing", Buffer.alloc(0), /empty/],
  ])("%s says what it is", async (_, bytes, reason) => {
    await expect(decodeImage(bytes, 8)).rejects.toThrow(reason);
  });
});

describe("a JPEG without its end", () => {
  const picture = (width: number, height: number) => {
    const data = Buffer.from(
      Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + ((i * i) >> 5)) % 256),
    );
    return sharp(data, { raw: { width, height, channels: 3 } });
  };

  test("is read, and told, where only the marker is missing", async () => {
    const { warning, width } = await probeImage(odd("noeoi_base.jpg"));
    expect(width).toBe(200);
    expect(warning).toMatch(/marker of its end/);
  });

  test.each([
    [64, 64, false],
    [64, 64, true],
    [12, 8, false],
  ])(
    "of %i x %i pixels, progressive %s: cut anywhere it gives the whole picture or none",
    async (width, height, progressive) => {
      const bytes = await picture(width, height).jpeg({ progressive }).toBuffer();
      const { data: whole } = await decodeWhole(bytes);
      for (let missing = 1; missing < bytes.length - 4; missing += missing < 40 ? 1 : 29) {
        const decoded = await decodeWhole(bytes.subarray(0, bytes.length - missing)).catch(() => undefined);
        if (missing <= 2) expect(decoded).toBeDefined();
        if (decoded) expect(distance(decoded.data, whole)).toBe(0);
      }
    },
  );
});
