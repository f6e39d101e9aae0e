import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { decodePhotos, scanPhotos, splitByObject } from "../../src/data/index.ts";
import { folderWith, photoBytes, temporaryFolder } from "./folder.ts";

const rows = async (root: string, options = {}) =>
  (await scanPhotos(root, options)).photos.map(
    ({ className, object, role, split }) => `${className} ${object} ${role}${split ? ` ${split}` : ""}`,
  );

describe("train, val and test folders", () => {
  const files = ["train/cat/1.png", "train/dog/1.png", "Valid/cat/1.png", "TEST/cat/1.png", "TEST/dog/1.png"];

  test("are a division that was made already, in any case and by its other names", async () => {
    const root = await folderWith(files);
    expect(await rows(root)).toEqual([
      "cat cat/test/1.png known test",
      "dog dog/test/1.png known test",
      "cat cat/validation/1.png known validation",
      "cat cat/train/1.png known train",
      "dog dog/train/1.png known train",
    ]);
    expect((await scanPhotos(root)).notes[0]).toMatch(/TEST, Valid, train are read as a division/);
  });

  test("are classes where the layout says so, or nothing else tells of a division", async () => {
    expect((await scanPhotos(await folderWith(files), { layout: "classes" })).classes).toEqual([
      "TEST",
      "Valid",
      "train",
    ]);
    expect((await scanPhotos(await folderWith(["train/1.png", "bus/1.png"]))).classes).toEqual([
      "bus",
      "train",
    ]);
    expect((await scanPhotos(await folderWith(["train/1.png", "test/1.png"]))).classes).toEqual([
      "test",
      "train",
    ]);
  });

  test("are learned from, chosen by and tested on as they lie, or drawn anew when merged", async () => {
    const names = (prefix: string, count: number) =>
      ["cat", "dog"].flatMap((name) => Array.from({ length: count }, (_, i) => `${prefix}/${name}/${i}.png`));
    const manifest = await scanPhotos(
      await folderWith([...names("train", 4), ...names("val", 2), ...names("test", 3)]),
    );
    const options = { shots: 2, validation: 2, test: "rest", seed: 1 } as const;
    const used = splitByObject(manifest, options);
    const splitsOf = (photos: typeof used.train) => [...new Set(photos.map(({ split }) => split))];
    expect(splitsOf(used.train)).toEqual(["train"]);
    expect(splitsOf(used.validation)).toEqual(["validation"]);
    expect(splitsOf(used.test)).toEqual(["test"]);
    expect([used.train.length, used.validation.length, used.test.length]).toEqual([4, 4, 6]);
    const merged = splitByObject(manifest, { ...options, given: "merge" });
    expect([merged.train.length, merged.validation.length, merged.test.length]).toEqual([4, 4, 10]);
    expect(() => splitByObject(manifest, { ...options, shots: 5 })).toThrow(/"cat" has 4 of 5 in train/);
  });

  test("may hold known, near and far", async () => {
    expect(
      await rows(await folderWith(["train/known/a/1.png", "test/known/a/1.png", "test/near/n/1.png"])),
    ).toEqual(["a a/test/1.png known test", "n n/test/1.png near test", "a a/train/1.png known train"]);
  });

  test("with an object in two of them are refused until they are merged", async () => {
    const manifest = await scanPhotos(
      await folderWith(
        ["a", "b"].flatMap((c) =>
          [1, 2, 3].flatMap((o) => [`train/${c}/${o}/0.png`, `test/${c}/${o}/1.png`]),
        ),
      ),
    );
    const options = { shots: 1, validation: 0, test: 1, seed: 0 } as const;
    expect(() => splitByObject(manifest, options)).toThrow(
      /"a\/1" has photos in test and train.*split\.given to merge/,
    );
    expect(splitByObject(manifest, { ...options, given: "merge" }).train).toHaveLength(4);
  });
});

describe("a folder called near", () => {
  test("holds unknown classes beside classes of photos", async () => {
    expect(await rows(await folderWith(["a/1.png", "near/n/1.png"]))).toEqual([
      "a a/1.png known",
      "n n/1.png near",
    ]);
  });

  test("is a class where the other classes have objects as it has, and the notes say so", async () => {
    const root = await folderWith(["a/x/1.png", "near/x/1.png"]);
    expect(await rows(root)).toEqual(["a a/x known", "near near/x known"]);
    expect((await scanPhotos(root)).notes[0]).toMatch(/"near" is read as a class.*set layout to roles/);
    expect(await rows(root, { layout: "roles" })).toEqual(["a a/x known", "x x/1.png near"]);
  });

  test("is always a class for the layout classes", async () => {
    expect(await rows(await folderWith(["a/1.png", "near/n/1.png"]), { layout: "classes" })).toEqual([
      "a a/1.png known",
      "near near/n known",
    ]);
  });
});

describe("objects", () => {
  const frames = [
    "bolt/run1_frame01.png",
    "bolt/run1_frame02.png",
    "bolt/run2_frame01.png",
    "bolt/single.png",
  ];

  test("come from names by a regular expression; what it does not fit is an object of its own", async () => {
    expect(await rows(await folderWith(frames), { objects: /(.*)_frame\d+/ })).toEqual([
      "bolt bolt/run1 known",
      "bolt bolt/run1 known",
      "bolt bolt/run2 known",
      "bolt bolt/single.png known",
    ]);
  });

  test("come from a number of folders below the class", async () => {
    const root = await folderWith(["a/day1/o1/1.png", "a/day1/o2/1.png", "a/day2/o1/deep/1.png"]);
    expect((await scanPhotos(root, { objects: 1 })).photos.map(({ object }) => object)).toEqual([
      "a/day1",
      "a/day1",
      "a/day2",
    ]);
    expect((await scanPhotos(root, { objects: 2 })).photos.map(({ object }) => object)).toEqual([
      "a/day1/o1",
      "a/day1/o2",
      "a/day2/o1",
    ]);
  });

  test("are put together where photos of a class look almost the same, when asked for", async () => {
    const picture = await sharp(await photoBytes("x"))
      .resize(64, 64)
      .png()
      .toBuffer();
    const lossy = await sharp(picture).jpeg({ quality: 90 }).toBuffer();
    const root = await folderWith(["a/other.png"], { "a/1.png": picture, "a/2.jpg": lossy });
    const joined = await scanPhotos(root, { objects: "near-duplicates" });
    expect(joined.photos.map(({ object }) => object)).toEqual(["a/1.png", "a/1.png", "a/other.png"]);
  });
});

describe("a list", () => {
  test("names photos with class, object, role and split, relative to itself", async () => {
    const root = await folderWith(["x/1.png", "x/2.png", "y/3.png"]);
    mkdirSync(join(root, "lists"));
    const csv = join(root, "lists", "photos.csv");
    writeFileSync(
      csv,
      '\uFEFFPath,Class,Object,Role,Split\n../x/1.png,bolt,b1,,train\n"../x/2.png",bolt,b1,known,train\n../y/3.png,"nut, large",,near,\n'.replace(
        ",b1,,train",
        ",b1,known,train",
      ),
    );
    expect(await rows(csv)).toEqual([
      "bolt bolt/b1 known train",
      "bolt bolt/b1 known train",
      "nut, large nut, large/../y/3.png near",
    ]);
    const jsonl = join(root, "photos.jsonl");
    writeFileSync(
      jsonl,
      '{"path":"x/1.png","class":"bolt"}\n\n{"path":"y/3.png","class":"nut","role":"near"}\n',
    );
    expect(await rows(jsonl)).toEqual(["bolt bolt/x/1.png known", "nut nut/y/3.png near"]);
  });

  test("that is wrong is refused with its line", async () => {
    const root = await folderWith(["x/1.png"]);
    const refuse = async (name: string, text: string, why: RegExp) => {
      const file = join(root, name);
      writeFileSync(file, text);
      await expect(scanPhotos(file)).rejects.toThrow(why);
    };
    await refuse("a.csv", "file,class\nx/1.png,a\n", /no column "path"; its first line names file, class/);
    await refuse("b.csv", "path,class\nx/1.png,\n", /b\.csv:2: there is no class/);
    await refuse("c.csv", "path,class,role\nx/1.png,a,almost\n", /c\.csv:2: the role "almost" is none of/);
    await refuse("d.jsonl", '{"path":"x/1.png","class":"a"}\n{oops\n', /d\.jsonl:2: this is no JSON/);
    await refuse("e.csv", "path,class\n", /names no photo/);
    await expect(scanPhotos(join(root, "none.csv"))).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });

  test("with photos that are not there names each", async () => {
    const root = await folderWith(["x/1.png"]);
    writeFileSync(join(root, "l.csv"), "path,class\nx/1.png,a\nx/gone.png,a\n");
    const { problems } = await scanPhotos(join(root, "l.csv"));
    expect(problems.map(({ file, kind }) => `${kind} ${file}`)).toEqual(["unreadable x/gone.png"]);
  });
});

describe("IDX archives", () => {
  const images = (count: number, step = 41) => {
    const head = Buffer.alloc(16);
    for (const [i, value] of [0x0803, count, 5, 6].entries()) head.writeUInt32BE(value, 4 * i);
    return Buffer.concat([head, Buffer.from(Array.from({ length: count * 30 }, (_, i) => (i * step) % 256))]);
  };
  const labels = (values: number[]) => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(0x0801, 0);
    head.writeUInt32BE(values.length, 4);
    return Buffer.concat([head, Buffer.from(values)]);
  };

  test("are read with their labels, packed or not, and decode to their pixels", async () => {
    const root = temporaryFolder();
    writeFileSync(join(root, "train-images-idx3-ubyte.gz"), gzipSync(images(3)));
    writeFileSync(join(root, "train-labels-idx1-ubyte.gz"), gzipSync(labels([7, 0, 7])));
    writeFileSync(join(root, "t10k-images-idx3-ubyte"), images(2, 53));
    writeFileSync(join(root, "t10k-labels-idx1-ubyte"), labels([0, 7]));
    const manifest = await scanPhotos(root);
    expect(manifest.classes).toEqual(["0", "7"]);
    const first = manifest.photos.find(({ id }) => id === "train-images-idx3-ubyte.gz/1")!;
    expect(first).toMatchObject({ className: "0", split: "train", width: 6, height: 5 });
    const pixels = await decodePhotos(root, [first], { size: 6, fit: "crop" });
    expect(pixels.shape).toEqual([1, 3, 6, 6]);
    pixels.dispose();
  });

  test("that are cut off or lack their labels are refused", async () => {
    const root = temporaryFolder();
    writeFileSync(join(root, "train-images-idx3-ubyte"), images(3));
    await expect(scanPhotos(root)).rejects.toThrow(/lacks its classes/);
    writeFileSync(join(root, "train-labels-idx1-ubyte"), labels([1, 2]));
    await expect(scanPhotos(root)).rejects.toThrow(/damaged/);
    writeFileSync(join(root, "train-images-idx3-ubyte"), images(3).subarray(0, 50));
    await expect(scanPhotos(root)).rejects.toThrow(/damaged/);
  });
});

test("litter of other systems is passed over without a word, and a camera's raw file is named", async () => {
  const root = await folderWith(["a/1.png"], {
    "$RECYCLE.BIN/x.png": "",
    "#recycle/x.png": "",
    "lost+found/x.png": "",
    "a/ehthumbs.db": "",
    "a/photo.NEF": "II*\0",
  });
  const { problems, classes } = await scanPhotos(root);
  expect(classes).toEqual(["a"]);
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(/photo\.NEF" is a camera's raw file\. Convert/),
  ]);
});
