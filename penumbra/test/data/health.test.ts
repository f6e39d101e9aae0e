import { expect, test } from "vitest";
import { checkHealth, describeHealth, scanPhotos } from "../../src/data/index.ts";
import { folderWith, manifestOf } from "./folder.ts";

test("classes, objects, photos, views and sizes are counted", () => {
  const { classes, sizes, warnings } = checkHealth(
    manifestOf({ known: { a: 3, b: 4 }, near: { m: 2, n: 2 } }),
  );
  expect(classes).toEqual([
    { className: "a", role: "known", objects: 3, photos: 6, views: [2, 2] },
    { className: "b", role: "known", objects: 4, photos: 8, views: [2, 2] },
    { className: "m", role: "near", objects: 2, photos: 4, views: [2, 2] },
    { className: "n", role: "near", objects: 2, photos: 4, views: [2, 2] },
  ]);
  expect(sizes).toEqual([{ width: 120, height: 80, photos: 22 }]);
  expect(warnings).toEqual([]);
});

test("what spoils a study is said: one object, uneven classes, no or one near class", () => {
  const { warnings } = checkHealth(manifestOf({ known: { a: 1, b: 9 } }));
  expect(warnings).toHaveLength(3);
  expect(warnings[0]).toMatch(/"a" shows one object only/);
  expect(warnings[1]).toMatch(/from 1 to 9 objects/);
  expect(warnings[2]).toMatch(/No near unknowns/);
  expect(checkHealth(manifestOf({ known: { a: 3, b: 3 }, near: { n: 3 } })).warnings[0]).toMatch(
    /One class of near unknowns \("n"\)/,
  );
});

test("unknowns of another size than the known classes are pointed out", () => {
  const manifest = manifestOf({ known: { a: 3, b: 3 }, near: { m: 3, n: 3 } });
  const photos = manifest.photos.map((photo) =>
    photo.role === "near" ? { ...photo, width: 240, height: 160 } : photo,
  );
  expect(checkHealth({ ...manifest, photos }).warnings).toEqual([
    expect.stringMatching(/near unknowns have a median of 38400 pixels/),
  ]);
});

test("the summary is a table with warnings and problems", async () => {
  const root = await folderWith(["known/bolt/1.png", "known/bolt/2.png", "known/nut/1.png", "near/x/1.png"], {
    "known/nut/2.png": "",
    "known/nut/a.txt": "",
  });
  const text = describeHealth(checkHealth(await scanPhotos(root)), { most: 1 });
  expect(text).toContain("bolt   known        2       2      1\n");
  expect(text).toContain("Sizes in pixels: 12 x 8 (4)");
  expect(text).toMatch(/Warning: One class of near unknowns/);
  expect(text).toMatch(
    /Left out: not an image \(1\)\n {2}"known\/nut\/a.txt" .*\nLeft out: cannot be read \(1\)\n/,
  );
  expect(text).toMatch(/Look at: very small \(4\)\n {2}.*\n {2}\.\.\. and 3 more$/);
});

test("of hundreds of classes the summary shows some and says where all are, and one warning stands for all", () => {
  const known = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`class ${i}`, 1]));
  const health = checkHealth(manifestOf({ known, near: { m: 2, n: 2 } }));
  expect(health.classes).toHaveLength(302);
  expect(health.warnings).toEqual([
    expect.stringMatching(/^300 classes show one object only: .* They are "class 0", .* and 295 more\.$/),
  ]);
  const lines = describeHealth(health).split("\n");
  expect(lines.length).toBeLessThan(100);
  expect(lines).toContain("... and 242 more classes; --json and --html name all");
});
