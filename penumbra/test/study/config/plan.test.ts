import fc from "fast-check";
import { expect, test } from "vitest";
import type { Manifest, Photo } from "../../../src/data/index.ts";
import { FULL_DEPTH } from "../../../src/images/index.ts";
import { planFor } from "../../../src/study/config/plan.ts";
import { lookLike } from "../../data/folder.ts";

/** Two known classes, each of so many objects with so many views. */
function manifestOf(objects: number, views: number): Manifest {
  const photos = ["bolt", "nut"].flatMap((className) =>
    Array.from({ length: objects * views }, (_, i) => {
      const object = `known/${className}/${Math.floor(i / views)}`;
      return {
        id: `${object}/${i % views}.png`,
        className,
        object,
        role: "known",
        width: 64,
        height: 64,
        look: lookLike(`${object}/${i % views}`),
      };
    }),
  );
  return {
    root: "photos",
    classes: ["bolt", "nut"],
    photos: photos as Photo[],
    problems: [],
    white: FULL_DEPTH,
    notes: [],
  } as Manifest;
}

test("init proposes sixteen photos to learn a class from, or four objects where that is more", () => {
  const splitOf = (objects: number, views: number) => {
    const { overrides } = planFor(manifestOf(objects, views), "photos", "study.yaml");
    return [overrides["split.shots"], overrides["split.validation"]];
  };
  expect(splitOf(120, 1)).toEqual([16, 16]);
  expect(splitOf(20, 8)).toEqual([4, 4]);
  expect(splitOf(40, 3)).toEqual([6, 6]);
  expect(splitOf(12, 1)).toEqual([4, 3]);
});

test("the proposed split leaves every class an object for the test, where it has three", () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 60 }), fc.integer({ min: 1, max: 8 }), (objects, views) => {
      const { overrides } = planFor(manifestOf(objects, views), "photos", "study.yaml");
      const [shots, validation] = [overrides["split.shots"], overrides["split.validation"]] as number[];
      expect(shots).toBeGreaterThanOrEqual(1);
      expect(validation).toBeGreaterThanOrEqual(1);
      expect(shots! + validation!).toBeLessThan(objects);
    }),
    { numRuns: 50 },
  );
});
