import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  followParents,
  type Photo,
  requireTrainParents,
  splitByObject,
  withShots,
} from "../../src/data/index.ts";
import { manifestOf } from "./folder.ts";

const LISTS = ["train", "validation", "test", "nearValidation", "nearTest", "farTest"] as const;
const objects = (photos: readonly Photo[]) => [...new Set(photos.map(({ object }) => object))];
const classNames = (photos: readonly Photo[]) => [...new Set(photos.map(({ className }) => className))];

/** Manifests with 2-4 known, 0-5 near and 0-2 far classes, and counts that fit them. */
const cases = fc
  .record({
    known: fc.array(fc.integer({ min: 6, max: 12 }), { minLength: 2, maxLength: 4 }),
    near: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 }),
    far: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    shots: fc.integer({ min: 1, max: 2 }),
    validation: fc.integer({ min: 0, max: 2 }),
    test: fc.oneof(fc.integer({ min: 1, max: 2 }), fc.constant("rest" as const)),
    seed: fc.nat(),
  })
  .map(({ known, near, far, ...options }) => {
    const named = (prefix: string, counts: number[]) =>
      Object.fromEntries(counts.map((n, i) => [`${prefix}${i}`, n]));
    return {
      manifest: manifestOf({ known: named("k", known), near: named("n", near), far: named("f", far) }),
      options,
    };
  });

describe("splits by object", () => {
  test("never put one object into two lists", () => {
    fc.assert(
      fc.property(cases, ({ manifest, options }) => {
        const split = splitByObject(manifest, options);
        const all = LISTS.flatMap((list) => objects(split[list]));
        expect(new Set(all).size).toBe(all.length);
      }),
    );
  });

  test("with fewer shots learn from some of the same objects and are tested on the same", () => {
    fc.assert(
      fc.property(cases, ({ manifest, options }) => {
        const split = splitByObject(manifest, { ...options, shots: 2 });
        const { train, ...rest } = withShots(split, 1);
        // What a study of so many shots alone learns from.
        expect(train).toEqual(splitByObject(manifest, { ...options, shots: 1 }).train);
        expect(split.train).toEqual(expect.arrayContaining([...train]));
        expect({ ...rest, train: split.train }).toEqual(split);
      }),
    );
  });

  test("keep all views of an object together", () => {
    fc.assert(
      fc.property(cases, ({ manifest, options }) => {
        const split = splitByObject(manifest, options);
        for (const list of LISTS) expect(split[list]).toHaveLength(2 * objects(split[list]).length);
      }),
    );
  });

  test("give every class as many objects as asked for", () => {
    fc.assert(
      fc.property(cases, ({ manifest, options }) => {
        const split = splitByObject(manifest, options);
        for (const name of manifest.classes) {
          const of = (photos: readonly Photo[]) =>
            objects(photos.filter(({ className }) => className === name)).length;
          const total = of(manifest.photos);
          expect(of(split.train)).toBe(options.shots);
          expect(of(split.validation)).toBe(options.validation);
          const rest = total - options.shots - options.validation;
          expect(of(split.test)).toBe(options.test === "rest" ? rest : options.test);
        }
      }),
    );
  });

  test("are the same for the same seed, whatever the order of the photos", () => {
    fc.assert(
      fc.property(cases, fc.nat(), ({ manifest, options }, rotation) => {
        const at = rotation % manifest.classes.length;
        const classes = [...manifest.classes.slice(at), ...manifest.classes.slice(0, at)];
        const again = splitByObject({ ...manifest, classes }, options);
        const split = splitByObject(manifest, options);
        for (const list of LISTS) expect(objects(again[list]).sort()).toEqual(objects(split[list]).sort());
        expect(splitByObject(manifest, options)).toEqual(split);
      }),
    );
  });

  test("of fewer shots are prefixes of those of more, with the same validation and test objects", () => {
    fc.assert(
      fc.property(cases, ({ manifest, options }) => {
        const fewer = splitByObject(manifest, { ...options, test: 1 });
        const more = splitByObject(manifest, { ...options, test: 1, shots: options.shots + 1 });
        for (const name of manifest.classes) {
          const of = (photos: readonly Photo[]) =>
            objects(photos.filter(({ className }) => className === name));
          expect(of(more.train).slice(0, options.shots)).toEqual(of(fewer.train));
        }
        expect(more.validation).toEqual(fewer.validation);
        expect(more.test).toEqual(fewer.test);
      }),
    );
  });

  test("keep the near classes for choosing apart from those for the test", () => {
    fc.assert(
      fc.property(cases, ({ manifest, options }) => {
        const split = splitByObject(manifest, options);
        const validation = classNames(split.nearValidation);
        const test = classNames(split.nearTest);
        expect(validation.filter((name) => test.includes(name))).toEqual([]);
        const near = classNames(manifest.photos.filter(({ role }) => role === "near"));
        expect([...validation, ...test].sort()).toEqual(near.sort());
        expect(validation).toHaveLength(Math.floor(near.length / 2));
      }),
    );
  });

  test("choose with the same objects and unknowns at every seed, so that no seed's choices saw another's test", () => {
    fc.assert(
      fc.property(cases, fc.nat(), ({ manifest, options }, seed) => {
        const one = splitByObject(manifest, options);
        const other = splitByObject(manifest, { ...options, seed });
        const chosenWith = [...other.validation, ...other.nearValidation];
        expect(chosenWith).toEqual([...one.validation, ...one.nearValidation]);
        const tested = new Set(objects([...one.test, ...one.nearTest, ...one.farTest]));
        expect(objects(chosenWith).filter((object) => tested.has(object))).toEqual([]);
      }),
    );
  });

  test("of a class do not change when another class is added", () => {
    const options = { shots: 2, validation: 1, test: 2, seed: 5 } as const;
    const small = splitByObject(manifestOf({ known: { a: 8, c: 8 } }), options);
    const large = splitByObject(manifestOf({ known: { a: 8, b: 8, c: 8 } }), options);
    expect(large.train.filter(({ className }) => className !== "b")).toEqual(small.train);
  });

  test("differ between seeds", () => {
    const manifest = manifestOf({ known: { a: 20, b: 20 } });
    const draws = [1, 2, 3].map((seed) =>
      objects(splitByObject(manifest, { shots: 3, validation: 2, test: 5, seed }).train),
    );
    expect(new Set(draws.map(String)).size).toBe(3);
  });
});

describe("a split that cannot be made", () => {
  const options = { shots: 2, validation: 1, test: 1, seed: 0 } as const;

  test("of one class says that two are needed", () => {
    expect(() => splitByObject(manifestOf({ known: { bolt: 9 } }), options)).toThrow(
      /only one known class \("bolt"\).*at least two\. Add/,
    );
    expect(() => splitByObject(manifestOf({ near: { bolt: 9 } }), options)).toThrow(/no known class/);
  });

  test("of classes with too few objects names all of them and the number that is needed", () => {
    const manifest = manifestOf({ known: { a: 3, b: 9, c: 2 } });
    expect(() => splitByObject(manifest, options)).toThrow(
      /"a" has 3, "c" has 2; .* needs 4 in every class\. Add photos/,
    );
  });

  test("because a class has one object explains how objects are laid out", () => {
    expect(() => splitByObject(manifestOf({ known: { a: 1, b: 9 } }), options)).toThrow(
      /"a" has 1;.*class\/object\/view\.jpg/,
    );
  });

  test("because of senseless numbers says which are allowed", () => {
    expect(() => splitByObject(manifestOf({ known: { a: 9, b: 9 } }), { ...options, shots: 0 })).toThrow(
      /shots >= 1/,
    );
  });
});

describe("children", () => {
  const manifest = manifestOf({ known: { a: 9, b: 9 }, near: { n: 2, m: 2 }, far: { f: 1 } });
  const child = ({ id, object }: Photo) => ({ parent: id, object });

  test("are where their parents' objects are", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 4 }), (seed, shots) => {
        const split = splitByObject(manifest, { shots, validation: 2, test: 3, seed });
        const known = manifest.photos.filter(({ role }) => role === "known");
        const placed = followParents(known.map(child), split);
        for (const list of ["train", "validation", "test"] as const) {
          expect(new Set(placed[list].map(({ object }) => object))).toEqual(new Set(objects(split[list])));
        }
        expect(placed.unused).toHaveLength(
          known.length - split.train.length - split.validation.length - split.test.length,
        );
      }),
      { numRuns: 30 },
    );
  });

  test("of test objects and of unknowns are refused as training images", () => {
    const split = splitByObject(manifest, { shots: 2, validation: 2, test: 3, seed: 1 });
    const own = split.train.map(child);
    expect(requireTrainParents(own, split)).toEqual(own);
    const stray = child(split.test[0]!);
    expect(() => requireTrainParents([...own, stray], split)).toThrow(
      new RegExp(`descends from a test object.*${stray.parent}.*redraw`),
    );
    expect(() => requireTrainParents([child(split.validation[0]!)], split)).toThrow(/a validation object/);
    expect(() => requireTrainParents([{ parent: "x/y.png", object: "x/y" }], split)).toThrow(
      /outside this split/,
    );
    expect(() => followParents([child(split.nearTest[0]!)], split)).toThrow(/unknown class/);
  });
});
