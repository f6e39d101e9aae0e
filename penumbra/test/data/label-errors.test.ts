import * as torch from "@penumbra/torch";
import { expect, test } from "vitest";
import { classesWithoutCompany, findLabelErrors, type Photo } from "../../src/data/index.ts";
import { manifestOf } from "./folder.ts";

/** Features of 8 dimensions around a direction for each class, with a little noise that follows from the place. */
function featuresOf(directions: readonly number[]): torch.Tensor {
  const rows = directions.map((direction, index) =>
    Array.from({ length: 8 }, (_, d) => (d === direction ? 1 : 0) + 0.1 * Math.sin(7 * index + 3 * d)),
  );
  return torch.tensor(rows);
}
const kinds = (photos: readonly Photo[]): number[] =>
  photos.map(({ className }) => (className === "a" ? 0 : 1));

test("a misplaced object is found with the class that it resembles, and nothing else is", () => {
  const { photos } = manifestOf({ known: { a: 8, b: 8 } });
  const directions = kinds(photos);
  directions[4] = 1; // both views of a/2
  directions[5] = 1;
  const found = findLabelErrors(photos, featuresOf(directions));
  expect(found.map(({ file }) => file)).toEqual([photos[4]!.id, photos[5]!.id]);
  expect(found[0]).toMatchObject({ kind: "label", isLeftOut: false, other: expect.stringContaining("/b/") });
  expect(found[0]!.message).toMatch(/looks like class "b": of the 10 photos .* 10 are of that class and 0/);
});

test("views of its own object have no say: they share its label, right or wrong", () => {
  // One class of few objects with many views: alone by its own object, each photo would be surrounded by its class.
  const { photos } = manifestOf({ known: { a: 8, b: 8 } });
  const moved = photos.map((photo, i) => (i < 6 ? { ...photo, object: "a/moved" } : photo));
  const directions = kinds(moved).map((direction, i) => (i < 6 ? 1 : direction));
  expect(findLabelErrors(moved, featuresOf(directions)).map(({ file }) => file)).toEqual(
    photos.slice(0, 6).map(({ id }) => id),
  );
});

test("a class of few other photos is not judged, and is named", () => {
  const { photos } = manifestOf({ known: { a: 2, b: 8, c: 8 } });
  const directions = photos.map(() => 1); // all look the same
  expect(findLabelErrors(photos, featuresOf(directions)).some(({ file }) => file.includes("/a/"))).toBe(
    false,
  );
  expect(classesWithoutCompany(photos)).toEqual(["a"]);
});

test("the order of the photos changes no finding, the surest come first", () => {
  const { photos } = manifestOf({ known: { a: 8, b: 8 } });
  const directions = kinds(photos);
  for (const index of [0, 9, 20]) directions[index] = 1 - directions[index]!;
  const rows = featuresOf(directions);
  const order = photos.map((_, i) => (i * 5) % photos.length);
  const found = findLabelErrors(photos, rows).map(({ file }) => file);
  const shuffled = findLabelErrors(
    order.map((i) => photos[i]!),
    rows.indexSelect(0, torch.tensor(order, { dtype: "int64" })),
  );
  expect([...shuffled.map(({ file }) => file)].sort()).toEqual([...found].sort());
  expect([...found].sort()).toEqual([0, 9, 20].map((i) => photos[i]!.id).sort());
});

test("nothing is found where all are as they should be", () => {
  const { photos } = manifestOf({ known: { a: 6, b: 6 }, near: { n: 6 } });
  const directions = photos.map(({ className }) => ["a", "b", "n"].indexOf(className));
  expect(findLabelErrors(photos, featuresOf(directions))).toEqual([]);
});
