import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { describeLeftOut, findOddities, scanPhotos } from "../../src/data/index.ts";
import { folderWith, lookLike, manifestOf, photoBytes } from "./folder.ts";

const kinds = (problems: readonly { kind: string; file: string }[]) =>
  problems.map(({ kind, file }) => `${kind} ${file}`);
const lively = async (seed: string) =>
  sharp(await photoBytes(seed))
    .resize(64, 64)
    .png()
    .toBuffer();

describe("copies", () => {
  test("of the same pixels in another lossless format are copies, across classes too", async () => {
    const picture = await lively("x");
    const root = await folderWith([], {
      "a/1.png": picture,
      "a/1.webp": await sharp(picture).webp({ lossless: true }).toBuffer(),
      "b/1.png": await lively("y"),
      "b/2.tif": await sharp(picture).tiff({ compression: "lzw" }).toBuffer(),
    });
    const { photos, problems } = await scanPhotos(root);
    expect(photos.map(({ id }) => id)).toEqual(["b/1.png"]);
    expect(kinds(problems)).toEqual([
      "duplicate a/1.png",
      "duplicate a/1.webp",
      "duplicate b/2.tif",
      "empty-class a",
    ]);
    expect(problems[0]?.message).toMatch(/of another class: one label is wrong/);
  });

  test("that are almost the same are named with their twin and used", async () => {
    const picture = await lively("x");
    const root = await folderWith([], {
      "a/1.png": picture,
      "a/2.png": await lively("y"),
      "b/1.jpg": await sharp(picture).jpeg({ quality: 80 }).toBuffer(),
    });
    const manifest = await scanPhotos(root);
    expect(manifest.photos).toHaveLength(3);
    const [like] = findOddities(manifest).filter(({ kind }) => kind === "near-duplicate");
    expect(like).toMatchObject({ file: "b/1.jpg", other: "a/1.png", isLeftOut: false });
    expect(like?.message).toMatch(/of the class "a"\. Look at both/);
  });
});

describe("oddities", () => {
  test("of single photos are named: blank, dark, tiny, long", async () => {
    const plain = (width: number, height: number, grey: number) =>
      sharp({ create: { width, height, channels: 3, background: { r: grey, g: grey, b: grey } } })
        .png()
        .toBuffer();
    const root = await folderWith([], {
      "a/blank.png": await plain(32, 32, 90),
      "a/dark.png": await sharp(await lively("d"))
        .linear(0.05, 0)
        .png()
        .toBuffer(),
      "a/long.png": await sharp(await lively("l"))
        .resize(300, 20, { fit: "fill" })
        .png()
        .toBuffer(),
      "a/tiny.png": await sharp(await lively("t"))
        .resize(8, 8)
        .png()
        .toBuffer(),
    });
    expect(kinds(findOddities(await scanPhotos(root)))).toEqual([
      "blank a/blank.png",
      "dark a/dark.png",
      "odd-shape a/long.png",
      "tiny a/tiny.png",
    ]);
  });

  test("blurred ones are those far less sharp than the others", () => {
    const manifest = manifestOf({ known: { a: 6 } });
    const photos = manifest.photos.map((photo, i) =>
      i === 3 ? { ...photo, look: { ...photo.look, sharpness: 5 } } : photo,
    );
    expect(kinds(findOddities({ photos }))).toEqual([`blurred ${photos[3]!.id}`]);
  });

  test("class names that read the same are twins", async () => {
    const root = await folderWith([
      "Bolt/1.png",
      "bolt /1.png",
      "caf\u00e9/1.png",
      "cafe\u0301/1.png",
      "nut/1.png",
    ]);
    const twins = findOddities(await scanPhotos(root)).filter(({ kind }) => kind === "twin-class");
    expect(twins).toHaveLength(2);
    expect(twins.map(({ message }) => message).join()).toMatch(/U\+0020[\s\S]*U\+0301|U\+0301[\s\S]*U\+0020/);
  });

  test("roles fit folders in any Unicode form", async () => {
    const root = await folderWith(["cafe\u0301/1.png", "a/1.png"]);
    const { photos } = await scanPhotos(root, { roles: { near: ["caf\u00e9"] } });
    expect(photos.find(({ role }) => role === "near")?.className).toBe("cafe\u0301");
  });

  test("numbered photos that hardly change are frames of a recording, others are not", async () => {
    const base = await sharp(await photoBytes("scene"))
      .resize(64, 64)
      .raw()
      .toBuffer();
    const frame = (step: number) => {
      const moved = Buffer.from(
        base.map((value, i) => Math.min(255, value + ((i + step) % 7 === 0 ? 3 * step : 0))),
      );
      return sharp(moved, { raw: { width: 64, height: 64, channels: 3 } })
        .png()
        .toBuffer();
    };
    const content: Record<string, Buffer> = {};
    for (let i = 0; i < 6; i++) {
      content[`a/run_${i}.png`] = await frame(i);
      content[`b/part${i}.png`] = await lively(`part ${i}`);
    }
    const found = findOddities(await scanPhotos(await folderWith([], content)));
    expect(kinds(found.filter(({ kind }) => kind === "recording"))).toEqual(["recording a/run_0.png"]);
  });

  test("an object that lacks a view which the others have is named", () => {
    const manifest = manifestOf({ known: { a: 6 } });
    const photos = [...manifest.photos.slice(1), { ...manifest.photos[0]!, view: "9", look: lookLike("9") }];
    expect(findOddities({ photos }).map(({ message }) => message)).toEqual([
      expect.stringMatching(/"a\/0" lacks the view 0 that other objects have/),
    ]);
  });

  test("a clean set has none", () => {
    expect(findOddities(manifestOf({ known: { a: 6, b: 6 }, near: { n: 4 } }))).toEqual([]);
  });
});

test("what was left out is told in one sentence, by its kinds", async () => {
  const root = await folderWith(["a/1.png", "b/1.png"], { "a/2.png": "", "b/notes.txt": "" });
  expect(describeLeftOut(await scanPhotos(root))).toBe(
    "2 of 4 files and folders are left out (not an image: 1, cannot be read: 1).",
  );
  expect(describeLeftOut(await scanPhotos(await folderWith(["a/1.png", "b/1.png"])))).toBeUndefined();
});
