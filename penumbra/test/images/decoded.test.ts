import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeWhole, probeImage, type White } from "../../src/images/index.ts";

interface Case {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly tolerance: number;
  readonly white: White | null;
  /** Base64 of [H, W, 3] uint8. */
  readonly pixels: string;
}

const here = import.meta.dirname;
const { cases } = JSON.parse(readFileSync(join(here, "decoded.json"), "utf8")) as { cases: Case[] };

describe("decoding equals Pillow's and tifffile's", () => {
  test("for 40 files at least", () => expect(cases.length).toBeGreaterThanOrEqual(40));

  test.each(cases)("$file", async ({ file, width, height, tolerance, white, pixels }) => {
    const path = join(here, "decoded", file);
    const { width: seenWidth, height: seenHeight } = await probeImage(path);
    expect([seenWidth, seenHeight]).toEqual([width, height]);
    const decoded = await decodeWhole(path, white ? { white } : {});
    expect([decoded.width, decoded.height]).toEqual([width, height]);
    const expected = Buffer.from(pixels, "base64");
    const largest = decoded.data.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - expected[i]!)),
      0,
    );
    expect(largest).toBeLessThanOrEqual(tolerance);
  });
});
