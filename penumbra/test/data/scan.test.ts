import {
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { scanPhotos } from "../../src/data/index.ts";
import { folderWith, photoBytes, temporaryFolder } from "./folder.ts";

const kinds = (problems: readonly { kind: string; file: string }[]) =>
  problems.map(({ kind, file }) => `${kind} ${file}`);

describe("layouts", () => {
  test("photos directly in a class folder are objects of their own", async () => {
    const { photos, classes } = await scanPhotos(await folderWith(["bolt/a.png", "bolt/b.png", "nut/a.png"]));
    expect(classes).toEqual(["bolt", "nut"]);
    expect(photos.map(({ id, object, view }) => [id, object, view])).toEqual([
      ["bolt/a.png", "bolt/a.png", "a"],
      ["bolt/b.png", "bolt/b.png", "b"],
      ["nut/a.png", "nut/a.png", "a"],
    ]);
    expect(photos.every(({ role, width, height }) => role === "known" && width === 12 && height === 8)).toBe(
      true,
    );
  });

  test("photos in folders inside a class folder are views of one object", async () => {
    const { photos } = await scanPhotos(
      await folderWith(["bolt/x/1.png", "bolt/x/2.png", "bolt/y/1.png", "bolt/z.png"]),
    );
    expect(photos.map(({ object, view }) => `${object}:${view}`)).toEqual([
      "bolt/x:1",
      "bolt/x:2",
      "bolt/y:1",
      "bolt/z.png:z",
    ]);
  });

  test("numbers in names sort by value", async () => {
    const { photos } = await scanPhotos(await folderWith(["c/v10.png", "c/v9.png", "c/v1.png", "b/1.png"]));
    expect(photos.map(({ id }) => id)).toEqual(["b/1.png", "c/v1.png", "c/v9.png", "c/v10.png"]);
  });

  test("endings in capitals, hidden files and clutter are handled quietly", async () => {
    const root = await folderWith(["bolt/A.PNG"], {
      "bolt/.DS_Store": "x",
      "bolt/Thumbs.db": "x",
      "__MACOSX/bolt/a.png": "x",
      ".git/config": "x",
      "README.md": "notes",
    });
    const { photos, problems } = await scanPhotos(root);
    expect(photos.map(({ id }) => id)).toEqual(["bolt/A.PNG"]);
    expect(problems).toEqual([]);
  });
});

describe("roles", () => {
  test("come from the top folders known, near and far", async () => {
    const { photos, classes } = await scanPhotos(
      await folderWith(["known/b/1.png", "near/n/o/1.png", "far/f/1.png"]),
    );
    expect(photos.map(({ role, object }) => `${role} ${object}`)).toEqual([
      "far f/1.png",
      "known b/1.png",
      "near n/o",
    ]);
    expect(classes).toEqual(["b"]);
  });

  test("id is another name for known, and classes may lie beside near and far", async () => {
    const inFolder = await scanPhotos(await folderWith(["id/b/1.png", "near/n/1.png"]));
    expect(inFolder.classes).toEqual(["b"]);
    const beside = await scanPhotos(await folderWith(["b/1.png", "c/1.png", "near/n/1.png"]));
    expect(beside.classes).toEqual(["b", "c"]);
  });

  test("a folder beside known, near and far is reported and left out", async () => {
    const { problems, photos } = await scanPhotos(await folderWith(["known/b/1.png", "other/x/1.png"]));
    expect(photos).toHaveLength(1);
    expect(kinds(problems)).toEqual(["no-role other"]);
  });

  test("come from patterns of class names, which override the folders", async () => {
    const root = await folderWith(["bolt/1.png", "bolt-long/1.png", "cat/1.png", "known2/1.png"]);
    const { photos } = await scanPhotos(root, { roles: { near: ["bolt-*"], far: ["c?t"] } });
    expect(photos.map(({ className, role }) => `${className} ${role}`)).toEqual([
      "bolt known",
      "bolt-long near",
      "cat far",
      "known2 known",
    ]);
  });

  test("classes that a list of known ones does not name are reported and left out", async () => {
    const { photos, problems } = await scanPhotos(await folderWith(["a/1.png", "b/1.png"]), {
      roles: { known: ["a"] },
    });
    expect(photos.map(({ className }) => className)).toEqual(["a"]);
    expect(problems[0]?.message).toMatch(/Class "b" has no role\. Name it under/);
  });

  test("a pattern that fits nothing, and a class of two roles, are errors", async () => {
    const root = await folderWith(["a/1.png", "b/1.png"]);
    await expect(scanPhotos(root, { roles: { near: ["bb"] } })).rejects.toThrow(
      /roles\.near: "bb" fits no class.*a, b/,
    );
    await expect(scanPhotos(root, { roles: { near: ["b"], far: ["b"] } })).rejects.toThrow(
      /"b" is named under roles\.near and/,
    );
    await expect(scanPhotos(await folderWith(["known/b/1.png", "near/b/1.png"]))).rejects.toThrow(
      /"b" has two folders/,
    );
  });
});

describe("files that cannot be used", () => {
  test("empty, cut off, disguised and foreign files are reported with a remedy and left out", async () => {
    const jpeg = await photoBytes("whole", "jpeg");
    const webp = await photoBytes("whole", "webp");
    const png = await photoBytes("whole", "png");
    const root = await folderWith(["bolt/good.png"], {
      "bolt/empty.jpg": "",
      "bolt/text.jpg": "this is not a photo",
      "bolt/cut.jpg": jpeg.subarray(0, jpeg.length - 60),
      "bolt/cut.webp": webp.subarray(0, webp.length >> 1),
      "bolt/cut.png": png.subarray(0, png.length >> 1),
      "bolt/notes.txt": "notes",
      "bolt/x/y/deep.png": png,
      "loose.png": png,
    });
    const { photos, problems } = await scanPhotos(root);
    expect(photos.map(({ id }) => id)).toEqual(["bolt/good.png"]);
    expect(kinds(problems).sort()).toEqual([
      "not-an-image bolt/notes.txt",
      "outside-a-class loose.png",
      "too-deep bolt/x/y",
      "unreadable bolt/cut.jpg",
      "unreadable bolt/cut.png",
      "unreadable bolt/cut.webp",
      "unreadable bolt/empty.jpg",
      "unreadable bolt/text.jpg",
    ]);
    for (const { file, message, isLeftOut } of problems) {
      expect(isLeftOut).toBe(true);
      expect(message).toContain(`"${file}"`);
      expect(message).toMatch(/(Replace|Remove|Move|Copy|Convert)[^.]*/);
    }
  });

  test("a class without a readable photo is reported and is no class", async () => {
    const root = await folderWith(["a/1.png", "b/1.png"], { "c/1.png": "" });
    mkdirSync(join(root, "d"));
    const { classes, problems } = await scanPhotos(root);
    expect(classes).toEqual(["a", "b"]);
    expect(kinds(problems)).toEqual(["unreadable c/1.png", "empty-class c", "empty-class d"]);
  });

  test("ignored names and paths are passed over", async () => {
    const root = await folderWith(["a/1.png", "a/2.png", "b/1.png", "c/1.png"]);
    const { photos } = await scanPhotos(root, { ignore: ["c", "a/2.*"] });
    expect(photos.map(({ id }) => id)).toEqual(["a/1.png", "b/1.png"]);
  });

  test("a folder that is missing, a file, or empty is an error that says what to do", async () => {
    const root = await folderWith([], { "a/1.png": "" });
    await expect(scanPhotos(join(root, "none"))).rejects.toThrow(
      /none" does not exist\. Give a folder that holds class\/photo/,
    );
    await expect(scanPhotos(join(root, "a/1.png"))).rejects.toThrow(/is not a folder/);
    await expect(scanPhotos(temporaryFolder())).rejects.toThrow(
      /holds no readable photo of any class\. Put photos there/,
    );
    await expect(scanPhotos(root)).rejects.toThrow(
      /holds no readable photo.*"a\/1\.png" cannot be read: it is empty/,
    );
  });
});

describe("links", () => {
  test("are followed to files and folders", async () => {
    const elsewhere = await folderWith(["b/1.png", "2.png"]);
    const root = await folderWith(["a/1.png"]);
    symlinkSync(join(elsewhere, "b"), join(root, "b"));
    symlinkSync(join(elsewhere, "2.png"), join(root, "a/2.png"));
    expect((await scanPhotos(root)).photos.map(({ id }) => id)).toEqual(["a/1.png", "a/2.png", "b/1.png"]);
  });

  test("that lead nowhere or in a circle are reported", async () => {
    const root = await folderWith(["a/1.png"]);
    symlinkSync(join(root, "gone.png"), join(root, "a/gone.png"));
    symlinkSync(root, join(root, "loop"));
    symlinkSync(join(root, "a"), join(root, "a/self"));
    const { photos, problems } = await scanPhotos(root);
    expect(photos).toHaveLength(1);
    expect(kinds(problems).sort()).toEqual([
      "broken-link a/gone.png",
      "broken-link a/self",
      "broken-link loop",
    ]);
  });
});

test("copies of a picture are left out: all but the first of a class, and every one of several classes", async () => {
  const [same, shared] = [await photoBytes("same"), await photoBytes("shared")];
  const root = await folderWith(["a/x/0.png", "b/x/0.png"], {
    "a/x/1.png": same,
    "a/x/2.png": same,
    "a/y/1.png": same,
    "a/z/1.png": shared,
    "b/z/1.png": shared,
  });
  const { photos, problems } = await scanPhotos(root);
  expect(photos.map(({ id }) => id)).toEqual(["a/x/0.png", "a/x/1.png", "b/x/0.png"]);
  expect(problems.map(({ kind, file, isLeftOut }) => [kind, file, isLeftOut])).toEqual([
    ["duplicate", "a/x/2.png", true],
    ["duplicate", "a/y/1.png", true],
    ["duplicate", "a/z/1.png", true],
    ["duplicate", "b/z/1.png", true],
  ]);
  expect(problems[0]!.message).toMatch(/of the same object/);
  expect(problems[1]!.message).toMatch(/of another object/);
  expect(problems[2]!.message).toMatch(/"b\/z\/1\.png", of another class/);
});

// Nothing is closed to the superuser.
test.skipIf(process.getuid?.() === 0)(
  "a folder that may not be read is reported and passed over",
  async () => {
    const root = await folderWith(["a/1.png", "a/closed/1.png", "b/1.png"]);
    chmodSync(join(root, "a/closed"), 0);
    const { photos, problems } = await scanPhotos(root);
    chmodSync(join(root, "a/closed"), 0o755);
    expect(photos.map(({ id }) => id)).toEqual(["a/1.png", "b/1.png"]);
    expect(problems).toEqual([
      expect.objectContaining({
        file: "a/closed",
        message: expect.stringMatching(/cannot be read \(EACCES\)/),
      }),
    ]);
  },
);

test("what was learned of a file is remembered until the file changes", async () => {
  const root = await folderWith(["a/1.png", "a/2.png"]);
  const cacheFolder = temporaryFolder();
  const before = await scanPhotos(root, { cacheFolder });
  expect(readdirSync(cacheFolder)).toHaveLength(1);
  expect(await scanPhotos(root, { cacheFolder })).toEqual(before);

  const other = await photoBytes("other");
  writeFileSync(join(root, "a/1.png"), other);
  utimesSync(join(root, "a/1.png"), 1, 1);
  const after = await scanPhotos(root, { cacheFolder });
  expect(after.photos[0]!.hash).not.toBe(before.photos[0]!.hash);
  expect(after.photos[1]).toEqual(before.photos[1]);

  writeFileSync(join(cacheFolder, readdirSync(cacheFolder)[0]!), "{ damaged");
  expect(await scanPhotos(root, { cacheFolder })).toEqual(after);
});

test("ids do not depend on where the folder is", async () => {
  const root = await folderWith(["a/1.png", "b/1.png"]);
  const before = (await scanPhotos(root)).photos;
  const moved = join(temporaryFolder(), "moved");
  renameSync(root, moved);
  expect((await scanPhotos(moved)).photos).toEqual(before);
  unlinkSync(join(moved, "a/1.png"));
});
