import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AugmentSpec,
  AugmentSpecSchema,
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  affine,
  augment,
  grayscale,
  horizontalFlip,
  inverseAffine,
  resizedCrop,
} from "../../src/images/index.ts";
import { expectClose } from "../goldens.ts";

const HEIGHT = 12;
const WIDTH = 16;
const EVERYTHING: AugmentSpec = {
  crop: { scale: [0.3, 1] },
  flip: 0.5,
  rotation: 20,
  shift: 0.1,
  scale: [0.8, 1.25],
  brightness: 0.4,
  contrast: 0.4,
  saturation: 0.4,
  hue: 0.1,
  jitter: 0.8,
  grayscale: 0.2,
  noise: 0.05,
};

/** uint8 noise [count, 3, HEIGHT, WIDTH]. */
function photos(count: number, seed = 0): Tensor {
  const random = new torch.Random(seed);
  const values = Uint8Array.from({ length: count * 3 * HEIGHT * WIDTH }, () => random.int(256));
  return torch.fromTyped(values, [count, 3, HEIGHT, WIDTH]);
}

/** Floating point 0.4..0.6: no adjustment below reaches the ends 0 and 1. */
const middle = (images: Tensor) => images.to("float32").div(255).mul(0.2).add(0.4);
const bits = (images: Tensor) => images.contiguous().toTyped();
const seedsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => torch.deriveSeed(first, i));

describe("what an image becomes", () => {
  const images = photos(9);
  const seeds = seedsFrom(7, 9);
  const together = augment(images, EVERYTHING, seeds);

  test("does not depend, to the bit, on what else is in the batch", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8], { minLength: 1 }), (chosen) => {
        const some = images.indexSelect(0, torch.tensor(chosen).to("int64"));
        const result = augment(
          some,
          EVERYTHING,
          chosen.map((i) => seeds[i]!),
        );
        for (const [at, i] of chosen.entries())
          expect(bits(result.select(0, at))).toEqual(bits(together.select(0, i)));
      }),
      { numRuns: 40 },
    );
  });

  test("follows from its seed: the same again, another for another seed", () => {
    expect(bits(augment(images, EVERYTHING, seeds))).toEqual(bits(together));
    const other = augment(images, EVERYTHING, seedsFrom(8, 9));
    for (let i = 0; i < 9; i++) expect(bits(other.select(0, i))).not.toEqual(bits(together.select(0, i)));
  });

  test("is float32 in 0..1 of the same shape, and the same from uint8 as from 0..1", () => {
    expect([together.dtype, together.shape]).toEqual(["float32", images.shape]);
    expect(together.amin().item()).toBeGreaterThanOrEqual(0);
    expect(together.amax().item()).toBeLessThanOrEqual(1);
    // 1/255 is applied before or after the interpolation: a few roundings of float32.
    expectClose(augment(images.to("float32").div(255), EVERYTHING, seeds), together, 1e-5);
  });

  test("leaves the input as it was, float or not", () => {
    for (const input of [images, images.to("float32").div(255)]) {
      const before = bits(input);
      for (const spec of [{}, { brightness: 0.3 }, { noise: 0.1 }, { hue: 0.2 }, EVERYTHING])
        augment(input, spec, seeds);
      expect(bits(input)).toEqual(before);
    }
  });

  test("keeps its other changes when one more is switched on", () => {
    const moved = augment(images, { rotation: 20, flip: 0.5 }, seeds);
    const grey = augment(images, { rotation: 20, flip: 0.5, grayscale: 1 }, seeds);
    expectClose(grey, grayscale(moved), 1e-5);
  });
});

describe("each change alone", () => {
  const images = photos(6, 3);
  const pixels = images.to("float32").div(255);
  const seeds = seedsFrom(1, 6);

  test("nothing asked for: nothing changes", () => {
    expectClose(augment(images, {}, seeds), pixels, 1e-7);
  });

  test("a certain flip is the mirror image", () => {
    expectClose(augment(images, { flip: 1 }, seeds), horizontalFlip(pixels), 1e-5);
  });

  test("brightness, contrast, saturation compose as the separate transforms do where nothing is cut off", () => {
    const input = middle(images);
    const spec = { brightness: 0.3, contrast: 0.3, saturation: 0.3 };
    const result = augment(input, spec, seeds);
    for (const [i, seed] of seeds.entries()) {
      const random = new torch.Random(seed);
      for (let skip = 0; skip < 6; skip++) random.uniform(); // flip, rotation, two shifts, zoom, jitter
      const [b, c, s] = [1, 2, 3].map(() => 1 + random.uniform(-0.3, 0.3)) as [number, number, number];
      const one = input.narrow(0, i, 1);
      expectClose(
        result.narrow(0, i, 1),
        adjustSaturation(adjustContrast(adjustBrightness(one, b), c), s),
        1e-5,
      );
    }
  });

  test("hue turns the colours of each image by its own angle", () => {
    const turned = augment(images, { hue: 0.2 }, seeds);
    const own = seeds.map((seed) => {
      const random = new torch.Random(seed);
      for (let skip = 0; skip < 9; skip++) random.uniform();
      return random.uniform(-0.2, 0.2);
    });
    for (const [i, shift] of own.entries()) {
      expectClose(turned.narrow(0, i, 1), adjustHue(pixels.narrow(0, i, 1), shift), 1e-5);
    }
  });

  test("a certain loss of colour is the grey image", () => {
    expectClose(augment(images, { grayscale: 1 }, seeds), grayscale(pixels), 1e-5);
  });

  test("without jitter no colour changes", () => {
    const spec = { brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.5, jitter: 0 };
    expectClose(augment(images, spec, seeds), pixels, 1e-5);
  });

  test("noise has the given spread, no mean, and is not shared between images", () => {
    const grey = torch.full([64, 3, 32, 32], 0.5);
    const noise = augment(grey, { noise: 0.05 }, seedsFrom(2, 64)).sub(0.5);
    const deviation = Math.sqrt(noise.square().mean().item());
    // 196608 numbers, windows of a pool of 1e6: 4 standard errors are 0.7 % of the spread.
    expect(Math.abs(deviation / 0.05 - 1)).toBeLessThan(0.01);
    expect(Math.abs(noise.mean().item())).toBeLessThan(0.001);
    const rows = noise.view([64, -1]);
    const correlation = rows
      .matmul(rows.t())
      .div(3072 * 0.05 ** 2)
      .sub(torch.eye(64))
      .abs()
      .amax()
      .item();
    expect(correlation).toBeLessThan(0.15); // 2016 pairs of 3072 numbers: 5.5 standard errors are 0.1
  });

  test("a crop keeps the asked part of the area and its proportions", () => {
    // A ramp from left to right and one from top to bottom show which part is seen.
    const across = torch.arange(32).view([1, 1, 1, 32]).expand([200, 1, 32, 32]).div(31);
    const down = across.transpose(2, 3);
    const ramps = torch.cat([across, down, across], { dim: 1 });
    const seen = augment(ramps, { crop: { scale: [0.25, 0.5], ratio: [0.5, 2] } }, seedsFrom(4, 200));
    const extent = (values: Tensor) => values.amax({ dim: [1, 2] }).sub(values.amin({ dim: [1, 2] }));
    const widths = extent(seen.select(1, 0)).toNumbers();
    const heights = extent(seen.select(1, 1)).toNumbers();
    for (const [i, width] of widths.entries()) {
      expect(width * heights[i]!).toBeGreaterThan(0.2);
      expect(width * heights[i]!).toBeLessThan(0.53);
      expect(width / heights[i]!).toBeGreaterThan(0.45);
      expect(width / heights[i]!).toBeLessThan(2.2);
    }
  });
});

describe("one affine matrix", () => {
  const pixels = photos(2, 5).to("float32").div(255);
  const move = (motion: object, outside?: "reflection" | "border") => {
    const matrix = inverseAffine({ height: HEIGHT, width: WIDTH, ...motion });
    return affine(pixels, [matrix, matrix], outside);
  };

  test("shifts right and down", () => {
    const moved = move({ shiftX: 3, shiftY: 2 });
    expectClose(
      moved.narrow(2, 2, HEIGHT - 2).narrow(3, 3, WIDTH - 3),
      pixels.narrow(2, 0, HEIGHT - 2).narrow(3, 0, WIDTH - 3),
      1e-5,
    );
  });

  test("stretches a crop box over the frame as resizing does, inside its border", () => {
    const box = { top: 2, left: 4, height: 6, width: 8 };
    const expected = resizedCrop(pixels, box, [HEIGHT, WIDTH], { antialias: false });
    const inside = (images: Tensor) => images.narrow(2, 1, HEIGHT - 2).narrow(3, 1, WIDTH - 2);
    expectClose(inside(move({ crop: box })), inside(expected), 1e-5);
  });

  test("zooms about the centre", () => {
    const box = { top: HEIGHT / 4, left: WIDTH / 4, height: HEIGHT / 2, width: WIDTH / 2 };
    expectClose(move({ zoom: 2 }), move({ crop: box }), 1e-5);
  });

  test("does to an image what its parts do one after another", () => {
    // Quarter turns and whole pixels need no interpolation, so that the steps lose nothing.
    const square = photos(2, 6).to("float32").div(255).narrow(3, 0, HEIGHT);
    const apply = (images: Tensor, motion: object) => {
      const matrix = inverseAffine({ height: HEIGHT, width: HEIGHT, ...motion });
      return affine(images, [matrix, matrix], "border");
    };
    const all = apply(square, { flip: true, degrees: 90, shiftX: 2, shiftY: -1 });
    const steps = apply(apply(apply(square, { flip: true }), { degrees: 90 }), { shiftX: 2, shiftY: -1 });
    expectClose(all, steps, 1e-4);
  });
});

describe("mistakes", () => {
  test("a wrong shape or number of seeds says what is expected", () => {
    expect(() => augment(photos(2), {}, [1])).toThrow(/shape \[2,3,12,16\] with 1 seeds.*one seed per image/);
    expect(() => augment(photos(2).select(0, 0), {}, [1, 2, 3])).toThrow(
      /give images as \[B, 3, height, width\]/,
    );
  });

  test("a misspelt or impossible setting is refused by the schema", () => {
    expect(AugmentSpecSchema.parse({ flip: 0.5, crop: { scale: [0.5, 1] } }).crop?.ratio).toEqual([
      3 / 4,
      4 / 3,
    ]);
    expect(() => AugmentSpecSchema.parse({ flipp: 0.5 })).toThrow(/flipp/);
    expect(() => AugmentSpecSchema.parse({ flip: 2 })).toThrow(/flip/);
    expect(() => AugmentSpecSchema.parse({ crop: { scale: [1, 0.5] } })).toThrow(/must not be larger/);
    expect(() => AugmentSpecSchema.parse({ crop: { scale: [0.5, 1.5] } })).toThrow(
      /at most all of the image/,
    );
  });
});
