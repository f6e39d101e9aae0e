import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { checkHealth, fixListOf, photoCheckOf, scanPhotos } from "../../src/data/index.ts";
import { renderPhotoCheck } from "../../src/report/index.ts";
import { folderWith, photoBytes } from "./folder.ts";

const lively = async (seed: string) =>
  sharp(await photoBytes(seed))
    .resize(64, 64)
    .png()
    .toBuffer();

/** A class with a copy, a look-alike, an unreadable file and a blank one. */
async function untidy() {
  const picture = await lively("x");
  const root = await folderWith([], {
    "a/1.png": picture,
    "a/2 <copy>.png": picture,
    "a/3.png": await lively("y"),
    "b/1.jpg": await sharp(picture).jpeg({ quality: 80 }).toBuffer(),
    "b/2.png": await lively("z"),
    "b/3.png": "",
  });
  const manifest = await scanPhotos(root);
  return { root, manifest, health: checkHealth(manifest) };
}

test("the page shows every kind of finding with its pictures, and escapes names", async () => {
  const { root, manifest, health } = await untidy();
  const check = await photoCheckOf(root, manifest, health);
  expect(check.groups.map(({ kind, count, isLeftOut }) => `${kind} ${count} ${isLeftOut}`)).toEqual([
    "unreadable 1 true",
    "duplicate 1 true",
    "near-duplicate 1 false",
  ]);
  const [copy] = check.groups.find(({ kind }) => kind === "duplicate")!.shown;
  expect(copy?.image).toMatch(/^data:image\/webp;base64,/);
  expect(copy?.otherImage).toBe(copy?.image);
  const page = renderPhotoCheck(check);
  expect(page).toContain("a/2 &lt;copy&gt;.png");
  expect(page).not.toContain("<copy>");
  expect(page).not.toMatch(/(src|href)="https?:/);
  for (const { kind } of check.groups) expect(page).toContain(`id="${kind}"`);
});

test("no more findings of a kind are shown than asked for, and the page says how many there are", async () => {
  const root = await folderWith(
    ["a/1.png"],
    Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`a/broken${i}.png`, ""])),
  );
  const manifest = await scanPhotos(root);
  const check = await photoCheckOf(root, manifest, checkHealth(manifest), { most: 4 });
  expect(check.groups.find(({ kind }) => kind === "unreadable")).toMatchObject({ count: 9 });
  expect(renderPhotoCheck(check)).toContain("and 5 more");
});

test("the list of what one would ignore is the setting itself: with it nothing of that is found again", async () => {
  const { root, health } = await untidy();
  const list = fixListOf(health.problems);
  expect(list).toMatch(/# "b\/3\.png" cannot be read: it is empty/);
  const { ignore } = parse(list) as { ignore: string[] };
  expect(ignore.sort()).toEqual(["a/2 <copy>.png", "b/1.jpg", "b/3.png"]);
  const again = await scanPhotos(root, { ignore });
  expect(again.problems).toEqual([]);
  expect(checkHealth(again).problems).toEqual([]);
  expect(parse(fixListOf([]))).toEqual({ ignore: [] });
});

test("the manifest does not depend on the order of reading or on what is remembered", async () => {
  const { root, manifest } = await untidy();
  const cacheFolder = join(root, ".cache");
  expect(await scanPhotos(root, { cacheFolder })).toEqual(manifest);
  expect(await scanPhotos(root, { cacheFolder })).toEqual(manifest);
  sharp.concurrency(1);
  expect(await scanPhotos(root)).toEqual(manifest);
  sharp.concurrency(0);
});
