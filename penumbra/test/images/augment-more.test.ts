// Changes that came after position and colour: tone, blur, perspective, RandAugment, cutout, and the presets.
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  AUGMENT_PRESET_NAMES,
  AUGMENT_PRESETS,
  type AugmentSpec,
  AugmentSpecSchema,
  augment,
  equalize,
  gaussianBlur,
  ImageError,
  posterize,
  RAND_AUGMENT_OPERATIONS,
  randAugment,
  solarize,
} from "../../src/images/index.ts";
import { expectClose } from "../goldens.ts";

const HEIGHT = 20;
const WIDTH = 24;
const COUNT = 8;
const SEEDS = Array.from({ length: COUNT }, (_, i) => torch.deriveSeed(7, i));

function photos(count = COUNT): Tensor {
  const random = new torch.Random(3);
  const values = Uint8Array.from({ length: count * 3 * HEIGHT * WIDTH }, () => random.int(256));
  return torch.fromTyped(values, [count, 3, HEIGHT, WIDTH]);
}

const images = photos();
const pixels = images.to("float32").div(255);
const bits = (tensor: Tensor) => tensor.contiguous().toTyped();

const CHANGES: Readonly<Record<string, AugmentSpec>> = {
  shear: { shear: 20 },
  perspective: { perspective: 0.5 },
  randAugment: { randAugment: { operations: 2, magnitude: 15 } },
  blur: { blur: { probability: 0.5, sigma: [0.01, 0.1] } },
  solarize: { solarize: { probability: 0.5, threshold: 0.4 } },
  posterize: { posterize: { probability: 0.5, bits: 2 } },
  equalize: { equalize: 0.5 },
  cutout: { cutout: { probability: 0.5, side: 0.5 } },
  ...Object.fromEntries(AUGMENT_PRESET_NAMES.map((preset) => [`the preset ${preset}`, { preset }])),
};

describe.each(Object.entries(CHANGES))("%s", (name, spec) => {
  const together = augment(images, spec, SEEDS);

  test("gives each image the same bits whatever else is in the batch", () => {
    for (const chosen of [[5], [6, 2], [7, 0, 3, 1, 2]]) {
      const some = images.indexSelect(0, torch.tensor(chosen).to("int64"));
      const own = augment(
        some,
        spec,
        chosen.map((i) => SEEDS[i]!),
      );
      for (const [at, i] of chosen.entries())
        expect(bits(own.select(0, at))).toEqual(bits(together.select(0, i)));
    }
  });

  test("stays in 0..1, leaves the input alone, and changes some image", () => {
    const before = bits(pixels);
    const result = augment(pixels, spec, SEEDS);
    expect(bits(pixels)).toEqual(before);
    expect([result.dtype, result.shape]).toEqual(["float32", images.shape]);
    expect(result.amin().item()).toBeGreaterThanOrEqual(0);
    expect(result.amax().item()).toBeLessThanOrEqual(1);
    const isChanged = result.sub(pixels).abs().amax().item() > 0.01;
    expect(isChanged).toBe(name !== "the preset none");
  });
});

const NEVER: readonly AugmentSpec[] = [
  { blur: { probability: 0, sigma: [0.01, 0.1] } },
  { solarize: { probability: 0 } },
  { posterize: { probability: 0 } },
  { cutout: { probability: 0, side: 0.5 } },
];

test("a change that never happens leaves what is drawn for the others as it was", () => {
  const other = { rotation: 20, brightness: 0.3, noise: 0.05, crop: { scale: [0.5, 1] as [number, number] } };
  const plain = bits(augment(images, other, SEEDS));
  for (const never of NEVER) expect(bits(augment(images, { ...other, ...never }, SEEDS))).toEqual(plain);
});

describe("a change that is certain", () => {
  test("is the transform of its name", () => {
    const one = (spec: AugmentSpec) => augment(images, spec, SEEDS);
    expectClose(one({ solarize: { probability: 1, threshold: 0.4 } }), solarize(pixels, 0.4), 1e-6);
    expectClose(one({ posterize: { probability: 1, bits: 3 } }), posterize(pixels, 3), 1e-6);
    expectClose(one({ equalize: 1 }), equalize(pixels), 1e-6);
    const sigma = 0.05 * WIDTH;
    const blurred = gaussianBlur(pixels, 2 * Math.ceil(3 * sigma) + 1, sigma);
    expectClose(one({ blur: { probability: 1, sigma: [0.05, 0.05] } }), blurred, 1e-6);
  });

  test("covers a square of the asked side with grey, part of it beyond the border", () => {
    const white = torch.ones([COUNT, 3, HEIGHT, WIDTH]);
    const covered = augment(white, { cutout: { side: 0.5 } }, SEEDS)
      .eq(0.5)
      .sum([1, 2, 3])
      .div(3);
    const most = (0.5 * HEIGHT) ** 2;
    for (const area of covered.toNumbers()) {
      expect(area).toBeGreaterThanOrEqual(most / 4 - HEIGHT / 2);
      expect(area).toBeLessThanOrEqual(most);
    }
  });

  test("happens to the asked part of the images", () => {
    const many = torch.zeros([400, 3, 4, 4]);
    const seeds = Array.from({ length: 400 }, (_, i) => torch.deriveSeed(1, i));
    const turned = augment(many, { solarize: { probability: 0.3, threshold: 0 } }, seeds)
      .mean()
      .item();
    expect(Math.abs(turned - 0.3)).toBeLessThan(0.08); // 3.5 standard errors
  });
});

describe("RandAugment", () => {
  test("has the fourteen operations of the paper, each in 0..1", () => {
    expect(Object.keys(RAND_AUGMENT_OPERATIONS)).toHaveLength(14);
    const signs = SEEDS.map((_, i) => (i % 2 === 0 ? 1 : -1));
    for (const [name, apply] of Object.entries(RAND_AUGMENT_OPERATIONS)) {
      for (const magnitude of [0, 0.5, 1]) {
        const result = apply(pixels, magnitude, signs);
        expect(result.shape, name).toEqual(pixels.shape);
        expect(result.amin().item() >= -1e-6 && result.amax().item() <= 1 + 1e-6, name).toBe(true);
      }
    }
  });

  test("does nothing at magnitude 0 but for what has no magnitude, or rounds", () => {
    for (const [name, apply] of Object.entries(RAND_AUGMENT_OPERATIONS)) {
      if (["autoContrast", "equalize"].includes(name)) continue;
      // The threshold of solarize is 1 then: white alone is turned.
      const input = name === "solarize" ? pixels.mul(0.99) : pixels;
      expectClose(
        apply(
          input,
          0,
          SEEDS.map(() => 1),
        ),
        input,
        1e-5,
      );
    }
  });

  test("is one of the operations, to either side, each about equally often", () => {
    const one = pixels.narrow(0, 0, 1);
    const candidates = Object.entries(RAND_AUGMENT_OPERATIONS).flatMap(([name, apply]) =>
      [1, -1].map((sign) => ({ name, sign, image: bits(apply(one, 0.5, [sign])) })),
    );
    const seen = new Map<string, Set<number>>();
    const counts = new Map<string, number>();
    const draws = 560;
    for (let i = 0; i < draws; i++) {
      const result = bits(randAugment(one, { operations: 1, magnitude: 15 }, [torch.deriveSeed(2, i)]));
      const found = candidates.filter(({ image }) => image.every((value, at) => value === result[at]));
      const [first] = found;
      if (!first) throw new Error(`Draw ${i} is none of the operations.`);
      counts.set(first.name, (counts.get(first.name) ?? 0) + 1);
      seen.set(first.name, new Set([...(seen.get(first.name) ?? []), ...found.map(({ sign }) => sign)]));
    }
    for (const name of Object.keys(RAND_AUGMENT_OPERATIONS)) {
      // 40 each on average: four standard errors are 24.
      expect(Math.abs((counts.get(name) ?? 0) - draws / 14), name).toBeLessThan(25);
      expect(seen.get(name), name).toEqual(new Set([1, -1]));
    }
  });

  test("refuses another magnitude, and seeds that do not fit", () => {
    expect(() => randAugment(pixels, { magnitude: 31 }, SEEDS)).toThrow(ImageError);
    expect(() => randAugment(pixels, {}, [1])).toThrow(/one seed an image/);
  });
});

describe("a preset", () => {
  test.each(AUGMENT_PRESET_NAMES)("%s is what its settings are, and passes the schema", (preset) => {
    const settings = AUGMENT_PRESETS[preset];
    expect(AugmentSpecSchema.parse(settings)).toEqual(settings);
    expect(bits(augment(images, { preset }, SEEDS))).toEqual(bits(augment(images, settings, SEEDS)));
  });

  test("gives way to what is named beside it", () => {
    const own = augment(images, { preset: "supcon", flip: 0, noise: 0.1 }, SEEDS);
    const whole = augment(images, { ...AUGMENT_PRESETS.supcon, flip: 0, noise: 0.1 }, SEEDS);
    expect(bits(own)).toEqual(bits(whole));
  });

  test("of another name is refused", () => {
    expect(() => AugmentSpecSchema.parse({ preset: "moco" })).toThrow(/simclr/);
  });
});
