import { readFileSync } from "node:fs";
import { Random } from "@penumbra/torch/random";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bend, elastic, smooth } from "../../../src/study/sources/elastic.ts";

/** By elastic.py. */
const golden = JSON.parse(readFileSync(new URL("elastic.json", import.meta.url), "utf8")) as Record<
  "noise" | "smooth" | "channel" | "across" | "down" | "bent",
  number[]
> & { size: number; deviation: number };

describe("an elastic copy", () => {
  it("is smoothed and sampled as scipy does it", () => {
    const { size, deviation } = golden;
    const field = smooth(Float64Array.from(golden.noise), size, deviation);
    field.forEach((value, i) => {
      expect(value).toBeCloseTo(golden.smooth[i]!, 12);
    });
    const [across, down] = [Float64Array.from(golden.across), Float64Array.from(golden.down)];
    const bent = bend(Uint8Array.from(golden.channel), size, across, down);
    bent.forEach((value, i) => {
      expect(Math.abs(value - golden.bent[i]!)).toBeLessThanOrEqual(0.5 + 1e-9); // to whole brightnesses
    });
  });

  it("of one colour is that colour, and of two lies between them, moved by about a tenth of the side", () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 40 }), fc.integer({ min: 0, max: 1e6 }), (size, seed) => {
        const area = size * size;
        // The first image: columns and rows as brightness, and one colour.
        const pixels = Uint8Array.from({ length: 6 * area }, (_, i) => {
          const place = i % area;
          return [4 * (place % size), 4 * Math.floor(place / size), 77][Math.floor(i / area)] ?? 200;
        });
        const bent = elastic({ pixels, size }, 0, new Random(seed));
        expect(bent.subarray(2 * area).every((value) => value === 77)).toBe(true);
        const moves = Array.from(bent.subarray(0, 2 * area), (value, i) => (value - pixels[i]!) / 4);
        const move = Math.sqrt(moves.reduce((sum, value) => sum + value * value, 0) / moves.length);
        // Asked for are 6 to 12 %; what is mirrored at an edge comes from less far than it was moved.
        expect(move / size).toBeGreaterThan(0.04);
        expect(move / size).toBeLessThan(0.125);
      }),
      { numRuns: 30 },
    );
  });

  it("is another one with another seed, and the same with the same", () => {
    const images = { size: 16, pixels: Uint8Array.from({ length: 3 * 256 }, (_, i) => (i * 37) % 256) };
    const of = (seed: number) => elastic(images, 0, new Random(seed));
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });
});
