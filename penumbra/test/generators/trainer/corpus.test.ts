import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { readCorpus } from "../../../src/generators/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-corpus-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A picture of upright bands, each `height` wide and of one colour. */
async function writeBands(
  path: string,
  height: number,
  colours: readonly (readonly number[])[],
): Promise<void> {
  const width = height * colours.length;
  const pixels = Buffer.alloc(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      colours[Math.floor(x / height)]!.forEach((value, channel) => {
        pixels[3 * (y * width + x) + channel] = value;
      });
    }
  }
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(path);
}

function folder(name: string, lines: readonly unknown[]): string {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  writeFileSync(join(path, "captions.jsonl"), `${text.join("\n")}\n`);
  return path;
}

const RED = [200, 10, 20];
const GREEN = [10, 210, 30];
const BLUE = [5, 15, 220];

describe("readCorpus", () => {
  test("cuts a strip into its views and gives each the strip's caption", async () => {
    const path = folder("strips", [
      { file: "strip.png", caption: "a photo of a relay" },
      { file: "single.png", caption: "a photo of a fuse" },
      { file: "other.png", caption: "a photo of a relay" },
    ]);
    await writeBands(join(path, "strip.png"), 8, [RED, GREEN, BLUE]);
    await writeBands(join(path, "single.png"), 8, [GREEN]);
    await writeBands(join(path, "other.png"), 16, [BLUE, RED]); // scaled down
    const corpus = await readCorpus(path, { size: 8 });
    expect(corpus.images.shape).toEqual([6, 3, 8, 8]);
    expect(corpus.captions).toEqual(["a photo of a relay", "a photo of a fuse"]);
    expect(corpus.captionOf).toEqual([0, 0, 0, 1, 0, 0]);
    expect(corpus.files).toEqual(["strip.png", "single.png", "other.png"]);
    expect(corpus.fileOf).toEqual([0, 0, 0, 1, 2, 2]);
    // Every view has one colour all over: nothing of its neighbours got in.
    const colours = [RED, GREEN, BLUE, GREEN, BLUE, RED];
    const expected = colours.flatMap((colour) => colour.flatMap((value) => Array<number>(64).fill(value)));
    expect(corpus.images.toNumbers()).toEqual(expected);
  });

  test("reports files that cannot be read and goes on without them", async () => {
    const path = folder("broken", [
      { file: "good.png", caption: "a photo of a fuse" },
      { file: "torn.png", caption: "a photo of a relay" },
      { file: "missing.png", caption: "a photo of a relay" },
    ]);
    await writeBands(join(path, "good.png"), 8, [RED]);
    writeFileSync(join(path, "torn.png"), "no image");
    const corpus = await readCorpus(path, { size: 8 });
    expect(corpus.images.shape[0]).toBe(1);
    expect(corpus.files).toEqual(["good.png"]);
    expect(corpus.problems).toHaveLength(2);
    expect(corpus.problems[0]).toContain("missing.png");
  });

  test("says what is wrong with a corpus that cannot be used", async () => {
    await expect(readCorpus(join(scratch, "nowhere"), { size: 8 })).rejects.toThrow("has no captions.jsonl");
    const malformed = folder("malformed", [{ file: "a.png", caption: "x" }, "{file: a}"]);
    await expect(readCorpus(malformed, { size: 8 })).rejects.toThrow("Line 2");
    const empty = folder("unreadable", [{ file: "a.png", caption: "x" }]);
    await expect(readCorpus(empty, { size: 8 })).rejects.toThrow("No image of the corpus");
  });
});
