import { fileURLToPath } from "node:url";
import { fromTyped, Random, rand, scope, type Tensor, tensor, zeros } from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClipTokenizer, TEMPLATES } from "../../../src/diffusion/index.ts";
import { CaptionTable } from "../../../src/generators/latent-diffusion/captions.ts";
import { learningRateAt } from "../../../src/generators/latent-diffusion/loop.ts";
import {
  edgeWeights,
  klDivergence,
  reconstructionLoss,
} from "../../../src/generators/latent-diffusion/losses.ts";
import { EpochOrder, randomCrops } from "../../../src/generators/latent-diffusion/sampling.ts";

const tokenizer = ClipTokenizer.load(fileURLToPath(new URL("../../../mini/tokenizer", import.meta.url)));

describe("reconstructionLoss", () => {
  const ones = (edge: number) => zeros([2, 1, edge, edge], { dtype: "float64" }).add(1);

  test("is the mean absolute error without its pyramid, and zero for a perfect reconstruction", () => {
    const difference = rand([2, 3, 16, 16], { dtype: "float64" }).sub(0.5);
    const plain = reconstructionLoss(difference, ones(16), 0).item();
    expect(plain).toBeCloseTo(difference.abs().mean().item(), 12);
    expect(reconstructionLoss(difference.mul(0), ones(16), 1).item()).toBe(0);
  });

  test("counts an even offset once: it lies in no band", () => {
    const offset = zeros([2, 3, 16, 16], { dtype: "float64" }).add(0.25);
    expect(reconstructionLoss(offset, ones(16), 7).item()).toBeCloseTo(0.25, 12);
  });

  test("has the gradient that finite differences give", () => {
    const difference = rand([1, 3, 8, 8], { dtype: "float64" }).sub(0.5).requiresGrad_();
    const weights = rand([1, 1, 8, 8], { dtype: "float64" }).add(1);
    reconstructionLoss(difference, weights, 0.7).backward();
    const gradient = difference.grad as Tensor;
    for (const at of [0, 17, 100, 191]) {
      const step = (by: number) =>
        scope(() => {
          const moved = difference.detach().clone();
          moved.view([-1]).select(0, at).add_(by);
          return reconstructionLoss(moved, weights, 0.7).item();
        });
      expect(gradient.view([-1]).select(0, at).item()).toBeCloseTo((step(1e-6) - step(-1e-6)) / 2e-6, 6);
    }
  });
});

describe("edgeWeights", () => {
  test("are 1 on an even area and 1 + weight at a hard edge", () => {
    const even = zeros([1, 3, 8, 8]).add(0.3);
    expect(edgeWeights(even, 3).sub(1).abs().max().item()).toBeLessThan(1e-6);
    const halves = zeros([1, 3, 8, 8]).sub(1);
    halves.narrow(3, 4, 4).fill_(1);
    const weights = edgeWeights(halves, 3);
    expect(weights.select(3, 4).min().item()).toBeCloseTo(4, 5);
    expect(weights.select(3, 0).max().item()).toBeCloseTo(1, 5);
  });
});

test("klDivergence is zero for the standard normal and grows with distance", () => {
  const zero = zeros([2, 4]);
  expect(klDivergence(zero, zero).item()).toBe(0);
  expect(klDivergence(zero.add(1), zero).item()).toBeCloseTo(0.5, 6);
  expect(klDivergence(zero, zero.sub(2)).item()).toBeCloseTo((Math.exp(-2) - 1 + 2) / 2, 6);
});

describe("EpochOrder", () => {
  test("takes every item once per epoch and does not depend on how the sequence is cut", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(100), (count, seed, start) => {
        const epoch = new EpochOrder(count, seed).take(2 * count, count);
        expect([...epoch].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, item) => item));
        const whole = new EpochOrder(count, seed).take(0, start + 7);
        expect(new EpochOrder(count, seed).take(start, 7)).toEqual(whole.slice(start));
      }),
    );
  });
});

describe("randomCrops", () => {
  const images = fromTyped(
    Uint8Array.from({ length: 4 * 3 * 8 * 8 }, (_, i) => (i * 37) % 256),
    [4, 3, 8, 8],
  );

  test("are whole images, plain or mirrored, where the crop has the images' size", () => {
    const crops = randomCrops(images, [2, 0, 2, 1, 3, 3], 8, new Random(4));
    expect(crops.shape).toEqual([6, 3, 8, 8]);
    [2, 0, 2, 1, 3, 3].forEach((item, place) => {
      const crop = crops.select(0, place).add(1).mul(127.5).round();
      const original = images.select(0, item).to("float32");
      const distances = [original, original.flip([2])].map((image) => image.sub(crop).abs().max().item());
      expect(Math.min(...distances)).toBe(0);
    });
  });

  test("lie inside of the image and repeat with the same draws", () => {
    const [first, second] = [0, 1].map(() => randomCrops(images, [0, 1, 2, 3], 5, new Random(9)));
    expect(first!.shape).toEqual([4, 3, 5, 5]);
    expect(first!.toNumbers()).toEqual(second!.toNumbers());
  });
});

describe("CaptionTable", () => {
  const captions = ["a photo of a relay", "two fuses side by side"];
  const table = new CaptionTable(captions, tokenizer);
  const textOf = (row: number) =>
    table.ids
      .select(0, row)
      .toNumbers()
      .map((place) => table.vocabulary[place]!);

  test("holds captions as the tokenizer encodes them, in a vocabulary of their own", () => {
    expect(textOf(table.plain(0))).toEqual(tokenizer.encode(captions[0]!));
    expect(textOf(table.plain(1))).toEqual(tokenizer.encode(captions[1]!));
    expect(textOf(table.empty)).toEqual(tokenizer.encode(""));
    expect(table.ids.shape[0]).toBe(captions.length + TEMPLATES.length + 1);
  });

  test("retells only captions of the plain form and leaves out the given share", () => {
    const random = new Random(1);
    const draws = Array.from({ length: 4000 }, () =>
      table.draw(0, random, { dropout: 0.1, templateShare: 0.5 }),
    );
    const share = (test: (row: number) => boolean) => draws.filter(test).length / draws.length;
    expect(share((row) => row === table.empty)).toBeCloseTo(0.1, 1);
    expect(share((row) => row === table.plain(0))).toBeCloseTo(0.45, 1);
    const other = new Set(
      Array.from({ length: 200 }, () => table.draw(1, random, { dropout: 0, templateShare: 1 })),
    );
    expect([...other]).toEqual([table.plain(1)]);
  });
});

test("the learning rate rises over the warm-up and falls to 2 % at the end", () => {
  const options = { learningRate: 1e-3, warmup: 10 };
  expect(learningRateAt(options, 0, 0)).toBeCloseTo(1e-4, 9);
  expect(learningRateAt(options, 9, 0)).toBeCloseTo(1e-3, 9);
  expect(learningRateAt(options, 500, 1)).toBeCloseTo(2e-5, 9);
  expect(tensor([learningRateAt(options, 50, 0.5)]).item()).toBeCloseTo(5.1e-4, 6);
});
