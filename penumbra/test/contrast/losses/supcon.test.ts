import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ContrastError,
  normalizeRows,
  type SupConOptions,
  sourceClassMask,
  supCon,
  supConPerAnchor,
} from "../../../src/contrast/index.ts";
import { expectGradientsClose } from "../../gradients.ts";

/** Unit vectors in the plane, float64. */
function atAngles(degrees: readonly number[]): Tensor {
  const radians = degrees.map((angle) => (angle * Math.PI) / 180);
  return torch.tensor(
    radians.map((angle) => [Math.cos(angle), Math.sin(angle)]),
    { dtype: "float64" },
  );
}

// METHODS G: view 1 at 0, 40, 100 degrees, view 2 at 10, 55, 120; labels 0, 0, 1; negatives at 20, 70.
const example = () => ({
  features: torch.stack([atAngles([0, 40, 100]), atAngles([10, 55, 120])], { dim: 1 }), // [3, 2, 2]
  labels: [0, 0, 1],
  negatives: atAngles([20, 70]),
});

/** The loss of the worked example. */
function exampleLoss(options: SupConOptions): number {
  const { features, labels } = example();
  return supCon(features, { labels, temperature: 0.1, ...options }).item();
}

/** Random unit rows, labels and negatives from a seed. */
function drawn(seed: number, { images = 6, views = 2, dimensions = 5, classes = 3, negatives = 4 } = {}) {
  const generator = new torch.Generator({ seed });
  const rows = (shape: number[]) => normalizeRows(torch.randn(shape, { generator, dtype: "float64" }));
  const random = new torch.Random(seed);
  return {
    features: rows([images, views, dimensions]),
    labels: Array.from({ length: images }, () => random.int(classes)),
    negatives: rows([negatives, dimensions]),
  };
}

const seeds = fc.integer({ min: 0, max: 1_000_000 });
const check = (property: (seed: number) => void) =>
  fc.assert(
    fc.property(seeds, (seed) => scope(() => property(seed))),
    { numRuns: 25 },
  );

describe("the worked example", () => {
  test("SupCon is 1.285164, with base temperature 0.07 it is 1.835949, at temperature 0.07 1.666292", () => {
    expect(exampleLoss({})).toBeCloseTo(1.285164, 6);
    expect(exampleLoss({ baseTemperature: 0.07 })).toBeCloseTo(1.835949, 6);
    expect(exampleLoss({ temperature: 0.07 })).toBeCloseTo(1.666292, 6);
  });

  test("every anchor has its own value, view by view", () => {
    const { features, labels, negatives } = example();
    const plain = supConPerAnchor(features, { labels }).toNumbers();
    const wanted = [2.220926, 1.413749, 0.104461, 1.634349, 2.331364, 0.006136];
    for (const [i, value] of wanted.entries()) expect(plain[i]).toBeCloseTo(value, 6);
    const withNegatives = supConPerAnchor(features, { labels, negatives }).toNumbers();
    const higher = [2.669306, 1.97424, 0.463286, 2.186611, 3.04807, 0.055928];
    for (const [i, value] of higher.entries()) expect(withNegatives[i]).toBeCloseTo(value, 6);
  });

  test("negatives-only columns give 1.732907, doubled 2.023466, tilted 1.932012 and 1.962635", () => {
    const { negatives } = example();
    expect(exampleLoss({ negatives })).toBeCloseTo(1.732907, 6);
    expect(exampleLoss({ negatives, negativeWeight: 2 })).toBeCloseTo(2.023466, 6);
    expect(exampleLoss({ negatives, negativeTilt: 1 })).toBeCloseTo(1.932012, 6);
    expect(exampleLoss({ negatives, negativeTilt: 5 })).toBeCloseTo(1.962635, 6);
  });

  test("without labels it is NT-Xent: 0.889715 at temperature 0.5, 0.186593 at 0.1", () => {
    const { features } = example();
    expect(supCon(features, { temperature: 0.5 }).item()).toBeCloseTo(0.889715, 6);
    expect(supCon(features, { temperature: 0.1 }).item()).toBeCloseTo(0.186593, 6);
  });
});

describe("the wrong ways of negatives do not happen", () => {
  test("negatives do not enter the mean as empty anchors: 1.299680 does not come out", () => {
    const { features, labels, negatives } = example();
    const perAnchor = supConPerAnchor(features, { labels, negatives });
    expect(perAnchor.shape).toEqual([6]);
    // The wrong way for comparison: the same sum divided by M + K.
    const wrong = perAnchor.sum().item() / (6 + 2);
    expect(wrong).toBeCloseTo(1.29968, 5);
    expect(exampleLoss({ negatives })).not.toBeCloseTo(wrong, 2);
  });

  test("negatives are never positives: a negative on top of an anchor raises the loss, whatever the labels", () => {
    check((seed) => {
      const { features, labels } = drawn(seed);
      const onTop = features.at(0, 0).unsqueeze(0);
      const without = supCon(features, { labels }).item();
      expect(supCon(features, { labels, negatives: onTop }).item()).toBeGreaterThan(without);
    });
  });

  test("negatives are never anchors: moving one changes the others' terms only through the denominator", () => {
    check((seed) => {
      const { features, labels, negatives } = drawn(seed);
      // Were negatives rows like the others, two of them on one point would be each other's positives and gain
      // from it. As columns, twice the same one equals one of weight two.
      const one = negatives.narrow(0, 0, 1);
      const twice = supCon(features, { labels, negatives: torch.cat([one, one]) }).item();
      expect(twice).toBeCloseTo(supCon(features, { labels, negatives: one, negativeWeight: 2 }).item(), 10);
    });
  });

  test("no gradient flows from one negative to another", () => {
    check((seed) => {
      const { features, labels, negatives } = drawn(seed, { negatives: 2 });
      const gradientOfFirst = (second: Tensor) => {
        const first = negatives.narrow(0, 0, 1).detach().clone().requiresGrad_();
        const perAnchor = supConPerAnchor(features, { labels, negatives: torch.cat([first, second]) });
        // dL_i/du_k = q_ik z_i / tau: divided by q_ik nothing of the other negative may remain.
        const [gradient] = torch.grad(perAnchor.at(0), [first]) as [Tensor];
        return normalizeRows(gradient).toNumbers();
      };
      const here = gradientOfFirst(negatives.narrow(0, 1, 1));
      const there = gradientOfFirst(negatives.narrow(0, 1, 1).neg());
      const anchor = features.at(0, 0).toNumbers();
      for (let d = 0; d < anchor.length; d++) {
        expect(here[d]).toBeCloseTo(anchor[d] as number, 6);
        expect(there[d]).toBeCloseTo(anchor[d] as number, 6);
      }
    });
  });

  test("the gradient to a negative is the enlarged softmax times the anchor over tau", () => {
    const { features, labels, negatives } = drawn(7);
    const temperature = 0.2;
    const leaf = negatives.detach().requiresGrad_();
    supCon(features, { labels, temperature, negatives: leaf }).backward();
    const rows = features.transpose(0, 1).reshape([12, 5]);
    const inner = rows.matmul(rows.t()).div(temperature).fillDiagonal_(Number.NEGATIVE_INFINITY);
    const logits = torch.cat([inner, rows.matmul(negatives.t()).div(temperature)], { dim: 1 });
    const q = logits.softmax(1).narrow(1, 12, 4); // [12, 4]
    const wanted = q
      .t()
      .matmul(rows)
      .div(temperature * 12)
      .toNumbers();
    const got = (leaf.grad as Tensor).toNumbers();
    for (const [i, value] of wanted.entries()) expect(got[i]).toBeCloseTo(value, 10);
  });

  test("the gradient to the anchors is not scaled down by the number of negatives", () => {
    const { features, labels } = example();
    // A negative opposite to everything is almost invisible to the softmax, so it must leave the gradient alone.
    const far = atAngles([240, 240, 240, 240]);
    const gradient = (negatives: Tensor | null) => {
      const leaf = features.detach().clone().requiresGrad_();
      supCon(leaf, { labels, temperature: 0.05, negatives }).backward();
      return (leaf.grad as Tensor).toNumbers();
    };
    const [plain, besideFar] = [gradient(null), gradient(far)];
    for (const [i, value] of plain.entries()) expect(besideFar[i]).toBeCloseTo(value, 4);
  });
});

describe("properties", () => {
  test("no negatives, an empty set of them and lambda 0 equal SupCon", () => {
    check((seed) => {
      const { features, labels, negatives } = drawn(seed);
      const plain = supCon(features, { labels }).item();
      expect(supCon(features, { labels, negatives: negatives.narrow(0, 0, 0) }).item()).toBe(plain);
      expect(supCon(features, { labels, negatives, negativeWeight: 0 }).item()).toBe(plain);
      expect(supCon(features, { labels, negatives: null }).item()).toBe(plain);
    });
  });

  test("another negative never lowers the loss", () => {
    check((seed) => {
      const { features, labels, negatives } = drawn(seed);
      const losses = [0, 1, 2, 3, 4].map((k) =>
        supCon(features, { labels, negatives: negatives.narrow(0, 0, k) }).item(),
      );
      for (let k = 1; k < losses.length; k++) {
        expect(losses[k]).toBeGreaterThanOrEqual((losses[k - 1] as number) - 1e-12);
      }
    });
  });

  test("with beta 0, lambda = c equals every column c times", () => {
    check((seed) => {
      const { features, labels, negatives } = drawn(seed);
      for (const copies of [2, 3]) {
        const duplicated = supCon(features, { labels, negatives: negatives.repeat([copies, 1]) }).item();
        expect(supCon(features, { labels, negatives, negativeWeight: copies }).item()).toBeCloseTo(
          duplicated,
          10,
        );
      }
    });
  });

  test("the order of images and of negatives does not matter", () => {
    check((seed) => {
      const { features, labels, negatives } = drawn(seed);
      const order = new torch.Random(seed).shuffle([...labels.keys()]);
      const index = torch.fromTyped(BigInt64Array.from(order, BigInt), [order.length]);
      const options = { negativeTilt: 1.5, negativeWeight: 0.7 };
      const shuffled = supCon(features.indexSelect(0, index), {
        ...options,
        labels: order.map((i) => labels[i] as number),
        negatives: negatives.flip([0]),
      });
      expect(shuffled.item()).toBeCloseTo(supCon(features, { ...options, labels, negatives }).item(), 10);
    });
  });

  test("equal rows give the plateau ln(2B - 1 + lambda K), with and without tilt", () => {
    const row = normalizeRows(torch.randn([1, 1, 8], { generator: new torch.Generator({ seed: 1 }) }));
    const features = row.expand([64, 2, 8]);
    const labels = Array.from({ length: 64 }, (_, i) => i % 5);
    expect(supCon(features, { labels }).item()).toBeCloseTo(4.844, 3);
    expect(supCon(features, { labels, baseTemperature: 0.07 }).item()).toBeCloseTo(6.92, 3);
    const negatives = row.reshape([1, 8]).expand([32, 8]);
    for (const negativeTilt of [0, 2]) {
      const loss = supCon(features, { labels, negatives, negativeWeight: 0.5, negativeTilt }).item();
      expect(loss).toBeCloseTo(Math.log(127 + 16), 4);
    }
  });

  test("importance weights have mean 1: the tilt keeps the total weight of equal columns", () => {
    check((seed) => {
      const { features, labels, negatives } = drawn(seed, { negatives: 1 });
      const options = { labels, negatives: negatives.expand([3, 5]) };
      expect(supCon(features, { ...options, negativeTilt: 4 }).item()).toBeCloseTo(
        supCon(features, options).item(),
        10,
      );
    });
  });

  test("beta 5 at temperature 0.05 stays finite in float32 where exp(100) would overflow", () => {
    const { features, labels, negatives } = drawn(3);
    const loss = supCon(features.to("float32"), {
      labels,
      negatives: negatives.to("float32"),
      temperature: 0.05,
      negativeTilt: 5,
    });
    const exact = supCon(features, { labels, negatives, temperature: 0.05, negativeTilt: 5 });
    expect(loss.dtype).toBe("float32");
    expect(loss.item()).toBeCloseTo(exact.item(), 4);
  });

  test("an anchor without positives has loss 0 and stays in the mean", () => {
    const { features, negatives } = drawn(5, { images: 3, views: 1 });
    const perAnchor = supConPerAnchor(features, { labels: [0, 0, 1], negatives }).toNumbers();
    expect(perAnchor[2]).toBe(0);
    const mean = supCon(features, { labels: [0, 0, 1], negatives }).item();
    expect(mean).toBeCloseTo(((perAnchor[0] as number) + (perAnchor[1] as number)) / 3, 12);
  });
});

describe("which anchors see which negatives", () => {
  test("with the source-class mask an image sees the negatives of its class only", () => {
    check((seed) => {
      const { features, labels, negatives } = drawn(seed);
      const sources = [0, 1, 2, 2];
      const options = { labels, negativeTilt: 1 };
      const masked = supConPerAnchor(features, {
        ...options,
        negatives,
        negativeMask: sourceClassMask(labels, sources),
      }).toNumbers();
      for (const source of [0, 1, 2]) {
        const own = negatives.at(torch.tensor(sources.map((s) => s === source)));
        const alone = supConPerAnchor(features, { ...options, negatives: own }).toNumbers();
        labels.forEach((label, image) => {
          if (label !== source) return;
          expect(masked[image]).toBeCloseTo(alone[image] as number, 10);
          expect(masked[image + labels.length]).toBeCloseTo(alone[image + labels.length] as number, 10);
        });
      }
    });
  });

  test("an image that sees no negative has its plain loss, and a finite gradient", () => {
    const { features, labels, negatives } = drawn(11);
    const leaf = features.detach().requiresGrad_();
    const negativeMask = torch.zeros([6, 4], { dtype: "bool" });
    const loss = supCon(leaf, { labels, negatives, negativeMask, negativeTilt: 2 });
    expect(loss.item()).toBeCloseTo(supCon(features, { labels }).item(), 12);
    loss.backward();
    expect((leaf.grad as Tensor).isfinite().all().item()).toBe(1);
  });

  test("detached negatives get no gradient, and push the anchors all the same", () => {
    const { features, labels, negatives } = drawn(13);
    const gradients = (detachNegatives: boolean) => {
      const [leaf, column] = [
        features.detach().clone().requiresGrad_(),
        negatives.detach().clone().requiresGrad_(),
      ];
      const loss = supCon(leaf, { labels, negatives: column, detachNegatives });
      return torch.grad(loss, [leaf, column], { allowUnused: true });
    };
    const [attached, detached] = [gradients(false), gradients(true)];
    expect(detached[1]).toBeNull();
    expect(attached[1]).not.toBeNull();
    expect(detached[0]?.toNumbers()).toEqual(attached[0]?.toNumbers());
  });
});

describe("gradients by finite differences in float64", () => {
  const settings: [string, (data: ReturnType<typeof drawn>) => SupConOptions][] = [
    ["plain", ({ labels }) => ({ labels })],
    ["without labels", () => ({ temperature: 0.5 })],
    ["one anchor view", ({ labels }) => ({ labels, contrastMode: "one" as const, baseTemperature: 0.07 })],
    ["lambda", ({ labels }) => ({ labels, negativeWeight: 2 })],
    ["tilted", ({ labels }) => ({ labels, negativeTilt: 1.5 })],
    [
      "tilted within the class",
      ({ labels }) => ({ labels, negativeTilt: 2, negativeMask: sourceClassMask(labels, [0, 1, 2, 0]) }),
    ],
  ];
  for (const [name, settingsOf] of settings) {
    test(`${name}: of the features and of the negatives`, () => {
      for (const seed of [1, 2]) {
        const data = drawn(seed, { images: 4, dimensions: 4 });
        const options = { temperature: 0.3, ...settingsOf(data) };
        // Through the normalisation, so that every point the differences visit has unit rows.
        const loss = ([features, negatives]: readonly Tensor[]) =>
          supCon(normalizeRows(features as Tensor), {
            ...options,
            negatives: normalizeRows(negatives as Tensor),
          });
        expectGradientsClose(loss, [data.features.mul(1.7), data.negatives.mul(0.6)]);
      }
    });
  }

  test("detached importance weights keep the value and change the gradient", () => {
    const { features, labels, negatives } = drawn(17);
    const gradient = (detachWeights: boolean) => {
      const leaf = negatives.detach().clone().requiresGrad_();
      const loss = supCon(features, { labels, negatives: leaf, negativeTilt: 2, detachWeights });
      loss.backward();
      return { loss: loss.item(), gradient: (leaf.grad as Tensor).toNumbers() };
    };
    const [through, detached] = [gradient(false), gradient(true)];
    expect(detached.loss).toBe(through.loss);
    expect(detached.gradient).not.toEqual(through.gradient);
  });
});

describe("what cannot be computed is refused with what to do", () => {
  const { features, labels, negatives } = drawn(19);

  test("rows that are not normalised", () => {
    expect(() => supCon(features.mul(2), { labels })).toThrow(ContrastError);
    expect(() => supCon(features.mul(2), { labels })).toThrow(/features.*has length 2\.000.*normalizeRows/);
    expect(() => supCon(features, { labels, negatives: negatives.mul(0.5) })).toThrow(/negatives.*0\.5000/);
  });

  test("NaN and infinity", () => {
    const broken = (value: number) => features.clone().setAt([1, 0, 0], value);
    expect(() => supCon(broken(Number.NaN), { labels })).toThrow(
      /Row 2 of the features .* is NaN.*learning rate/,
    );
    expect(() => supCon(broken(Number.POSITIVE_INFINITY), { labels })).toThrow(/infinite/);
  });

  test("shapes and settings that do not fit together", () => {
    expect(() => supCon(features.at(0), { labels })).toThrow(/\[images, views, dimensions\]/);
    expect(() => supCon(features, { labels: [...labels, 0] })).toThrow(/7 labels for 6 images/);
    expect(() => supCon(features.narrow(1, 0, 1))).toThrow(/nothing is positive/);
    expect(() => supCon(features, { labels, temperature: 0 })).toThrow(/temperature 0/);
    expect(() => supCon(features, { labels, negatives, negativeWeight: -1 })).toThrow(/negativeWeight = -1/);
    expect(() => supCon(features, { labels, negatives: negatives.narrow(1, 0, 3) })).toThrow(/\[K, 5\]/);
    expect(() =>
      supCon(features, { labels, negatives, negativeMask: torch.zeros([4, 6], { dtype: "bool" }) }),
    ).toThrow(/\[images, K\] = \[6,4\]/);
  });
});
