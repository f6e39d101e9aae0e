import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { cutMix, ImageError, type Mixed, type MixOptions, mixUp } from "../../src/images/index.ts";
import { expectClose } from "../goldens.ts";

const seedsOf = (count: number) => Array.from({ length: count }, (_, i) => torch.deriveSeed(5, i));

/** Image i is all black and of class 0 where i is even, all white and of class 1 where it is odd. */
function blackAndWhite(count: number, side = 8): { images: Tensor; targets: Tensor; partners: number[] } {
  const isWhite = torch.arange(count).remainder(2).to("float32");
  return {
    images: isWhite.view([count, 1, 1, 1]).expand([count, 3, side, side]).contiguous(),
    targets: torch.stack([isWhite.neg().add(1), isWhite], { dim: 1 }),
    partners: Array.from({ length: count }, (_, i) => i ^ 1),
  };
}

const MIXES: readonly [string, (images: Tensor, targets: Tensor, options: MixOptions) => Mixed][] = [
  ["mixUp", mixUp],
  ["cutMix", cutMix],
];

describe.each(MIXES)("%s", (_, mix) => {
  const { images, targets, partners } = blackAndWhite(200);
  const seeds = seedsOf(200);
  const mixed = mix(images, targets, { partners, seeds });

  test("labels by the share of each class that is seen", () => {
    expectClose(mixed.images.mean([1, 2, 3]), mixed.targets.select(1, 1), 1e-5);
    expectClose(mixed.targets.sum([1]), torch.ones([200]), 1e-6);
  });

  test("mixes an image with itself to itself", () => {
    const alone = mix(images, targets, { partners: partners.map((_, i) => i), seeds });
    expectClose(alone.images, images, 1e-6);
    expectClose(alone.targets, targets, 1e-6);
  });

  test("gives an image the same bits wherever it and its partner stand", () => {
    const order = [7, 3, 6, 2];
    const some = (tensor: Tensor) => tensor.indexSelect(0, torch.tensor(order).to("int64"));
    const own = mix(some(images), some(targets), {
      partners: [2, 3, 0, 1], // 7 with 6 and 3 with 2, as before
      seeds: order.map((i) => seeds[i]!),
    });
    for (const [at, i] of order.entries()) {
      expect(own.images.select(0, at).tolist()).toEqual(mixed.images.select(0, i).tolist());
      expect(own.targets.select(0, at).tolist()).toEqual(mixed.targets.select(0, i).tolist());
    }
  });

  test("refuses counts that differ, strangers, and an alpha of 0", () => {
    expect(() => mix(images, targets, { partners: [0], seeds })).toThrow(ImageError);
    const strange = partners.with(3, 200);
    expect(() => mix(images, targets, { partners: strange, seeds })).toThrow(/partner 200 is none of 200/);
    expect(() => mix(images, targets, { partners, seeds, alpha: 0 })).toThrow(/alpha 0/);
  });
});

describe("the share of an image", () => {
  test.each([0.2, 1, 4])("is Beta(%d, the same): mean a half, variance 1 / (4 (2 alpha + 1))", (alpha) => {
    const count = 4000;
    const { images, targets, partners } = blackAndWhite(count, 1);
    const { targets: mixed } = mixUp(images, targets, { partners, seeds: seedsOf(count), alpha });
    const own = mixed.mul(targets).sum([1]).to("float64");
    const variance = 1 / (4 * (2 * alpha + 1));
    // Four standard errors of the mean; the variance's own error is below 6 % here.
    expect(Math.abs(own.mean().item() - 0.5)).toBeLessThan(4 * Math.sqrt(variance / count));
    expect(Math.abs(own.sub(0.5).square().mean().item() / variance - 1)).toBeLessThan(0.06);
  });

  test("is a box in cutMix: rows and columns of the partner, and nothing else", () => {
    const { images, targets, partners } = blackAndWhite(50, 16);
    const { images: mixed } = cutMix(images, targets, { partners, seeds: seedsOf(50) });
    const isPartner = mixed.ne(images).select(1, 0); // [50, 16, 16]
    const rows = isPartner.any(2, { keepdim: true });
    const columns = isPartner.any(1, { keepdim: true });
    expect(isPartner.eq(rows.logicalAnd(columns)).all().item()).toBe(1);
    expect(isPartner.any().item()).toBe(1);
  });
});
