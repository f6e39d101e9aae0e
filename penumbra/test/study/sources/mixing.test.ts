import { Random } from "@penumbra/torch/random";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blend, cutMix, jigsaw, patches, type SquareImages } from "../../../src/study/sources/mixing.ts";

/** Two images whose bytes tell image, channel, row and column apart, as far as 256 values do. */
function images(size: number): SquareImages {
  const length = 3 * size * size;
  return {
    size,
    pixels: Uint8Array.from({ length: 2 * length }, (_, i) => (i < length ? i % 127 : 128 + (i % 127))),
  };
}

const cases = fc.record({ size: fc.integer({ min: 8, max: 40 }), seed: fc.integer({ min: 0, max: 1e6 }) });
const sorted = (bytes: Uint8Array) => [...bytes].sort((a, b) => a - b);

describe("an image that stands in for an unknown", () => {
  it("as a jigsaw holds the same pixels with every tile somewhere else", () => {
    fc.assert(
      fc.property(cases, ({ size, seed }) => {
        const all = images(size);
        const own = all.pixels.subarray(0, 3 * size * size);
        const mixed = jigsaw(all, 0, new Random(seed));
        expect(sorted(mixed)).toEqual(sorted(own));
        const side = Math.floor(size / 3);
        const tileOf = (pixels: Uint8Array, tile: number) => {
          const [x, y] = [(tile % 3) * side, Math.floor(tile / 3) * side];
          return Array.from(
            { length: side * side },
            (_, i) => pixels[(y + Math.floor(i / side)) * size + x + (i % side)],
          );
        };
        const tiles = Array.from({ length: 9 }, (_, tile) => tileOf(own, tile).join());
        if (new Set(tiles).size < 9) return; // two tiles of the pattern are the same by chance
        for (const [place, tile] of tiles.entries()) {
          expect(tileOf(mixed, place).join()).not.toBe(tile);
          expect(tiles).toContain(tileOf(mixed, place).join());
        }
      }),
      { numRuns: 30 },
    );
  });

  it("by CutMix holds 30 to 70 % of the other image, each pixel in its place", () => {
    fc.assert(
      fc.property(cases, ({ size, seed }) => {
        const all = images(size);
        const length = 3 * size * size;
        const mixed = cutMix(all, 0, 1, new Random(seed));
        let other = 0;
        for (const [i, value] of mixed.entries()) {
          if (value >= 128) other++;
          expect(value).toBe(all.pixels[value >= 128 ? length + i : i]);
        }
        const rounding = 1.1 / size; // half a pixel of a side of at most the whole size, both ways
        expect(other / length).toBeGreaterThan(0.3 - rounding);
        expect(other / length).toBeLessThan(0.7 + rounding);
      }),
      { numRuns: 30 },
    );
  });

  it("is another one with another seed, and the same with the same", () => {
    const all = images(24);
    const make = (seed: number) => [
      ...jigsaw(all, 0, new Random(seed)),
      ...cutMix(all, 0, 1, new Random(seed)),
    ];
    expect(make(1)).toEqual(make(1));
    expect(make(1)).not.toEqual(make(2));
  });
});

describe("an image of two classes", () => {
  it("as a blend lies between the two at every pixel, neither outweighing the other", () => {
    fc.assert(
      fc.property(cases, ({ size, seed }) => {
        const all = images(size);
        const length = 3 * size * size;
        const mixed = blend(all, 0, 1, new Random(seed));
        for (const [i, value] of mixed.entries()) {
          const [own, other] = [all.pixels[i] as number, all.pixels[length + i] as number];
          expect(value).toBeGreaterThanOrEqual(Math.floor(own + 0.35 * (other - own)));
          expect(value).toBeLessThanOrEqual(Math.ceil(own + 0.65 * (other - own)));
        }
      }),
      { numRuns: 30 },
    );
  });

  it("by patches keeps most of its own pixels and holds some of the other's", () => {
    fc.assert(
      fc.property(cases, ({ size, seed }) => {
        const all = images(size);
        const mixed = patches(all, 0, 1, new Random(seed));
        const other = mixed.filter((value) => value >= 128).length / mixed.length;
        expect(other).toBeGreaterThan(0);
        expect(other).toBeLessThan(6 * (0.3 + 0.5 / size) ** 2);
        for (const [i, value] of mixed.entries()) if (value < 128) expect(value).toBe(all.pixels[i]);
      }),
      { numRuns: 30 },
    );
  });
});
