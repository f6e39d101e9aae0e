import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Classifier,
  explain,
  type Gallery,
  loadClassifier,
  loadGallery,
} from "../../../src/deploy/index.ts";
import { heatMap } from "../../../src/images/index.ts";
import { CLASSES, photo, writeClassifier } from "../tiny-classifier.ts";

let folder = "";
let classifier: Classifier;
let gallery: Gallery;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "penumbra-explain-"));
  await writeClassifier(folder);
  classifier = loadClassifier(folder);
  gallery = loadGallery(folder);
}, 60_000);
afterAll(() => {
  classifier.dispose();
  gallery.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe("an explanation", () => {
  it("has the verdict of the object and training photos of its class as neighbours, the most similar first", async () => {
    const pixels = await classifier.decode([await photo(2, 500), await photo(2, 501)]);
    const { verdict, neighbours, heat } = explain(classifier, gallery, pixels, { places: 4, neighbours: 3 });
    expect(verdict.className).toBe("red");
    expect(verdict.views).toBe(2);
    expect(verdict.score).toBeCloseTo(classifier.judge(pixels, [2])[0]!.score, 3);
    expect(neighbours.map(({ className }) => className)).toEqual(["red", "red", "red"]);
    const similarities = neighbours.map(({ similarity }) => similarity);
    expect(similarities).toEqual([...similarities].sort((a, b) => b - a));
    expect(heat.map((grid) => [grid.length, ...new Set(grid.map((row) => row.length))])).toEqual([
      [4, 4],
      [4, 4],
    ]);
    pixels.dispose();
  });

  it("finds the training photo itself, with similarity 1", async () => {
    const pixels = await classifier.decode([await photo(1, 1)]); // the gallery's second photo
    const { neighbours } = explain(classifier, gallery, pixels, { places: 2 });
    expect(neighbours[0]).toMatchObject({ number: 1, id: "light/1.png" });
    expect(neighbours[0]!.similarity).toBeCloseTo(1, 4);
    pixels.dispose();
  });

  it("maps what hiding a place does: the place that makes a photo odd stands out", async () => {
    // A dark photo with a red corner: hiding the corner changes the class more than any other place does.
    const dark = await sharp(await photo(0, 600))
      .composite([
        {
          input: { create: { width: 6, height: 6, channels: 3, background: { r: 250, g: 0, b: 0 } } },
          ...{ top: 0, left: 10 },
        },
      ])
      .png()
      .toBuffer();
    const pixels = await classifier.decode([dark]);
    const { heat } = explain(classifier, gallery, pixels, { places: 4 });
    const flat = heat[0]!.flat().map(Math.abs);
    expect([2, 3, 6, 7]).toContain(flat.indexOf(Math.max(...flat))); // the upper right quarter
    pixels.dispose();
  });

  it("leaves no tensor behind", async () => {
    const pixels = await classifier.decode([await photo(0, 610)]);
    explain(classifier, gallery, pixels, { places: 2 }); // what is made at the first use stays
    const before = torch.memory().tensors;
    explain(classifier, gallery, pixels, { places: 2 });
    expect(torch.memory().tensors).toBeLessThanOrEqual(before);
    pixels.dispose();
  });

  it("refuses a map of no place", async () => {
    const pixels = await classifier.decode([await photo(0, 611)]);
    expect(() => explain(classifier, gallery, pixels, { places: 0 })).toThrow(/cannot have 0 places/);
    pixels.dispose();
  });
});

describe("a gallery", () => {
  it("gives its pictures and names back", async () => {
    expect(gallery.photos).toHaveLength(36);
    expect(gallery.photos[4]).toMatchObject({ id: "light/4.png", className: CLASSES[1] });
    expect(Buffer.from(gallery.photos[4]!.picture)).toEqual(await photo(1, 4));
  });

  it("that is cut off is refused by name", async () => {
    const other = mkdtempSync(join(tmpdir(), "penumbra-gallery-"));
    await writeClassifier(other);
    truncateSync(join(other, "gallery.safetensors"), 500);
    expect(() => loadGallery(other)).toThrow(
      /gallery\.safetensors cannot be used: .*Train the classifier again/,
    );
    rmSync(other, { recursive: true, force: true });
  });
});

describe("a heat map", () => {
  const grey = new Uint8Array(3 * 8 * 8).fill(128);
  const pixelsOf = async (bytes: Buffer) => sharp(bytes).raw().toBuffer();

  it("is orange where places are positive, blue where they are negative, and the picture where they are 0", async () => {
    const pixels = await pixelsOf(await heatMap(grey, 8, [[1, -1]]));
    const at = (x: number, y: number) =>
      [...pixels.subarray(3 * (8 * y + x), 3 * (8 * y + x) + 3)] as number[];
    expect(at(0, 4)[0]).toBeGreaterThan(at(0, 4)[2]! + 80);
    expect(at(7, 4)[2]).toBeGreaterThan(at(7, 4)[0]! + 80);
    const plain = await pixelsOf(await heatMap(grey, 8, [[0, 0]]));
    for (const value of plain) expect(Math.abs(value - 128)).toBeLessThan(4); // WebP loses a little
  });
});
