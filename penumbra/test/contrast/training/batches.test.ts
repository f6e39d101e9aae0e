import { describe, expect, test } from "vitest";
import { type Batch, Batches, type BatchPlan } from "../../../src/contrast/training/batches.ts";

const plan: BatchPlan = {
  seed: 3,
  images: 10,
  batchSize: 4,
  labels: Array.from({ length: 10 }, (_, image) => image % 3),
  photosPerClass: 0,
  mix: null,
  views: 2,
  variants: Array.from({ length: 10 }, (_, image) => (image === 9 ? [] : [2 * image, 2 * image + 1])),
  faithfulProbability: 0.5,
  variantsByView: false,
  negatives: 7,
  negativesPerStep: 3,
};

const take = (changes: Partial<BatchPlan>, steps: number): Batch[] => {
  const batches = new Batches({ ...plan, ...changes });
  return Array.from({ length: steps }, (_, step) => batches.at(step));
};

describe("batches", () => {
  test("are a pure function of the step: any order of asking gives the same", () => {
    const batches = new Batches(plan);
    const backwards = [30, 7, 0].map((step) => batches.at(step));
    expect(backwards).toEqual([30, 7, 0].map((step) => new Batches(plan).at(step)));
  });

  test("show every image once a round, and every negative", () => {
    const drawn = take({}, 35);
    const images = drawn.flatMap((batch) => batch.images);
    for (let round = 0; round < 14; round++) {
      expect(images.slice(10 * round, 10 * (round + 1)).sort((a, b) => a - b)).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
      ]);
    }
    const negatives = drawn.flatMap((batch) => batch.negatives);
    for (let round = 0; round < 15; round++) {
      expect(new Set(negatives.slice(7 * round, 7 * (round + 1))).size).toBe(7);
    }
    expect(images.slice(0, 10)).not.toEqual(images.slice(10, 20));
  });

  test("balanced, have as many images of each class of a step, and show classes and their images in rounds", () => {
    const labels = [0, 0, 0, 0, 0, 1, 1, 1, 7, 7]; // 5, 3 and 2 images; label 7 is the third class
    const drawn = take({ labels, photosPerClass: 2 }, 60);
    for (const { images } of drawn) {
      expect(images).toHaveLength(4);
      for (let place = 0; place < 4; place += 2) {
        const pair = images.slice(place, place + 2);
        expect(new Set(pair.map((image) => labels[image])).size).toBe(1);
      }
    }
    const shown = drawn.flatMap(({ images }) => images.filter((_, place) => place % 2 === 0));
    for (let round = 0; round < 40; round++) {
      const classes = shown.slice(3 * round, 3 * (round + 1)).map((image) => labels[image]);
      expect(new Set(classes).size).toBe(3);
    }
    for (const [label, count] of [
      [0, 5],
      [1, 3],
      [7, 2],
    ] as const) {
      const own = drawn.flatMap(({ images }) => images).filter((image) => labels[image] === label);
      expect(own).toHaveLength(80);
      for (let round = 0; round < Math.floor(80 / count); round++) {
        expect(new Set(own.slice(count * round, count * (round + 1))).size).toBe(count);
      }
    }
    const backwards = new Batches({ ...plan, labels, photosPerClass: 2 });
    expect([30, 7, 0].map((step) => backwards.at(step))).toEqual([30, 7, 0].map((step) => drawn[step]));
  });

  test("mixed, have a partner for every place of each view, drawn for each view by itself", () => {
    const drawn = take({ mix: "either", batchSize: 8 }, 60);
    const kinds = new Map<string, number>();
    let same = 0;
    for (const { mixed } of drawn) {
      expect(mixed).toHaveLength(2);
      for (const { kind, partners, seeds } of mixed) {
        kinds.set(kind, 1 + (kinds.get(kind) ?? 0));
        expect([...partners].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
        expect(new Set(seeds).size).toBe(8);
      }
      if (String(mixed[0]?.partners) === String(mixed[1]?.partners)) same++;
    }
    expect(same).toBeLessThan(3);
    expect([...kinds.keys()].sort()).toEqual(["cutmix", "mixup"]);
    expect(kinds.get("mixup")! / 120).toBeCloseTo(0.5, 0);
    expect(take({}, 1)[0]?.mixed).toEqual([]);
    expect(take({ mix: "cutmix" }, 5).every(({ mixed }) => mixed[1]?.kind === "cutmix")).toBe(true);
  });

  test("have a fixed quota of negatives and a seed for every row, all different", () => {
    const drawn = take({}, 50);
    for (const { negatives, seeds } of drawn)
      expect([negatives.length, seeds.length]).toEqual([3, 2 * 4 + 3]);
    const seeds = drawn.flatMap((batch) => batch.seeds);
    expect(new Set(seeds).size).toBe(seeds.length);
  });

  test("show one image in all views of a place, or another of its variants in each", () => {
    const differing = (variantsByView: boolean) =>
      take({ variantsByView }, 200).flatMap(({ variants }) =>
        [0, 1, 2, 3].filter((place) => variants[place] !== variants[place + plan.batchSize]),
      ).length;
    expect(differing(false)).toBe(0);
    // Of 9 in 10 images: null, one or the other variant, with probabilities 1/2, 1/4, 1/4, differ with 5/8.
    expect(differing(true) / 800).toBeCloseTo(0.9 * 0.625, 1);
    for (const { images, variants } of take({ variantsByView: true }, 50)) {
      for (const [row, variant] of variants.entries()) {
        if (variant !== null) expect(plan.variants[images[row % plan.batchSize]!]).toContain(variant);
      }
    }
  });

  test("replace an image by one of its own variants only, about as often as asked", () => {
    const drawn = take({}, 1000);
    let replaced = 0;
    let replaceable = 0;
    for (const { images, variants } of drawn) {
      images.forEach((image, place) => {
        const variant = variants[place] ?? null;
        if (image === 9) expect(variant).toBeNull();
        else replaceable++;
        if (variant === null) return;
        expect(plan.variants[image]).toContain(variant);
        replaced++;
      });
    }
    // Binomial with p = 0.5 and n = 3,600: four standard deviations are 0.033.
    expect(Math.abs(replaced / replaceable - 0.5)).toBeLessThan(0.034);
  });

  test("give arms of one seed the same photos in the same versions, with or without variants and negatives", () => {
    const bare = take({ variants: [], negatives: 0, negativesPerStep: 0 }, 20);
    for (const [step, batch] of take({}, 20).entries()) {
      expect(bare[step]?.images).toEqual(batch.images);
      expect(bare[step]?.seeds).toEqual(batch.seeds.slice(0, 8));
    }
  });

  test("of another seed are others", () => {
    expect(take({ seed: 4 }, 3)).not.toEqual(take({}, 3));
  });
});
