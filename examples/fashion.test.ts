import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { scanPhotos } from "../penumbra/src/data/index.ts";
import { decodeImage } from "../penumbra/src/images/index.ts";
import { writeFashion } from "./fashion.ts";

const folder = mkdtempSync(join(tmpdir(), "penumbra-fashion-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Forty 5 x 4 pictures: picture i is of class i % 10 and all of level 6 i. */
function writeSource(source: string): void {
  mkdirSync(source);
  const header = (...shape: number[]) =>
    Buffer.from([0, 0, 8, shape.length, ...shape.flatMap((n) => [0, 0, 0, n])]);
  const images = Buffer.from(Array.from({ length: 40 * 20 }, (_, i) => 6 * Math.floor(i / 20)));
  const labels = Buffer.from(Array.from({ length: 40 }, (_, i) => i % 10));
  writeFileSync(
    join(source, "train-images-idx3-ubyte.gz"),
    gzipSync(Buffer.concat([header(40, 5, 4), images])),
  );
  writeFileSync(join(source, "train-labels-idx1-ubyte.gz"), gzipSync(Buffer.concat([header(40), labels])));
}

test("Fashion-MNIST becomes folders that a scan understands", async () => {
  const source = join(folder, "source");
  const out = join(folder, "fashion");
  writeSource(source);
  expect(await writeFashion({ out, source, perClass: 3 })).toBe(30);
  const { photos, classes, problems } = await scanPhotos(out);
  expect(classes).toEqual(["ankle-boot", "coat", "dress", "pullover", "sneaker", "t-shirt", "trouser"]);
  expect(photos.filter(({ role }) => role === "near").map(({ id }) => id)).toContain("near/shirt/00006.png");
  expect(photos.filter(({ role }) => role === "far")).toHaveLength(3);
  expect(problems).toEqual([]);
  const pixels = await decodeImage(readFileSync(join(out, "known/trouser/00011.png")), 4);
  expect(new Set(pixels)).toEqual(new Set([66]));
});

test("a missing dataset says how to install it", async () => {
  await expect(writeFashion({ out: join(folder, "x"), source: join(folder, "none") })).rejects.toThrow(
    /apt-get install dataset-fashion-mnist/,
  );
});
