import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadConfig, writePreview } from "../../src/study/index.ts";
import { makeTinyStudy, tinySettings, writeSettings } from "./tiny-study.ts";

let folder = "";
beforeAll(async () => {
  folder = await makeTinyStudy(tinySettings, { known: 3, near: 1, far: 0, objects: 3, views: 1 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The sheet's cells by row and column, as raw pixels. */
async function cellsOf(settings: object, options: { rows: number; versions: number; seed?: number }) {
  await writeSettings(folder, settings);
  const path = join(folder, "sheet.png");
  const rows = await writePreview(await loadConfig(join(folder, "study.yaml")), path, options);
  const { data, info } = await sharp(await readFile(path))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const side = tinySettings.imageSize;
  expect([info.width, info.height]).toEqual([(options.versions + 1) * (side + 2) - 2, rows * (side + 2) - 2]);
  const cut = (row: number, column: number) =>
    Array.from({ length: side }, (_, y) => {
      const start = ((row * (side + 2) + y) * info.width + column * (side + 2)) * 3;
      return data.subarray(start, start + side * 3).toString("hex");
    }).join("");
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: options.versions + 1 }, (_, column) => cut(row, column)),
  );
}

it("shows a photo of each known class and random versions of it, the same for the same seed", async () => {
  const options = { rows: 3, versions: 4 };
  const cells = await cellsOf(tinySettings, options);
  expect(cells).toHaveLength(3);
  expect(new Set(cells.flat()).size).toBe(15); // three classes, and no version is its photo or another version
  expect(await cellsOf(tinySettings, options)).toEqual(cells);
  const others = await cellsOf(tinySettings, { ...options, seed: 1 });
  expect(others.map(([photo]) => photo)).toEqual(cells.map(([photo]) => photo));
  expect(others[0]![1]).not.toBe(cells[0]![1]);
});

it("shows the photo itself where nothing is changed", async () => {
  const encoder = { ...tinySettings.encoder, augment: { preset: "none" } };
  for (const row of await cellsOf({ ...tinySettings, encoder }, { rows: 2, versions: 2 }))
    expect(new Set(row).size).toBe(1);
});
