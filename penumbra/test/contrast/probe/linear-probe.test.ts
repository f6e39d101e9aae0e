import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ContrastError, chooseProbe, fitLinearProbe, probeOf } from "../../../src/contrast/index.ts";
import { expectGradientsClose } from "../../gradients.ts";
import fixture from "./linear-probe.json" with { type: "json" };

const matrix = (rows: number[][]) => torch.tensor(rows, { dtype: "float64" });

/** Classes around centres in `dimensions` dimensions. */
function clouds(seed: number, { images = 30, dimensions = 6, spread = 1, classes = 3 } = {}) {
  const generator = new torch.Generator({ seed });
  const draw = (shape: number[]) => torch.randn(shape, { generator, dtype: "float64" });
  const labels = Array.from({ length: images }, (_, i) => i % classes);
  const centres = draw([classes, dimensions])
    .repeat([Math.ceil(images / classes), 1])
    .narrow(0, 0, images);
  return { features: centres.add(draw([images, dimensions]), { alpha: spread }), labels };
}

describe("the linear probe", () => {
  test("equals scikit-learn's logistic regression on standardised features", () =>
    scope(() => {
      for (const { features, labels, l2, test: testRows, probabilities } of fixture.cases) {
        const probe = fitLinearProbe(matrix(features), labels, { l2 });
        const got = probe.logits(matrix(testRows)).softmax(1).toNumbers();
        for (const [i, value] of probabilities.flat().entries()) {
          expect(Math.abs((got[i] as number) - value)).toBeLessThan(1e-6); // scikit-learn's own tolerance
        }
      }
    }));

  test.each([
    ["three classes", {}, 0.01],
    ["two classes", { classes: 2 }, 0.01],
    ["two classes, hardly penalised", { classes: 2, spread: 0.1 }, 1e-6],
    ["two classes, more features than images", { classes: 2, dimensions: 50 }, 0.01],
  ])("stands at the minimum: the gradient of the penalised NLL vanishes (%s)", (_, made, l2) =>
    scope(() => {
      const { features, labels } = clouds(1, made);
      const probe = fitLinearProbe(features, labels, { l2 });
      const deviation = features
        .sub(features.mean([0]))
        .square()
        .mean([0])
        .sqrt();
      const weight = probe.weight.clone().requiresGrad_();
      const bias = probe.bias.clone().requiresGrad_();
      const targets = torch.fromTyped(BigInt64Array.from(labels, BigInt), [labels.length]);
      const nll = features.matmul(weight.t()).add(bias).crossEntropyLoss(targets);
      const penalty = weight
        .mul(deviation)
        .square()
        .sum()
        .mul(l2 / 2);
      for (const gradient of torch.grad(nll.add(penalty), [weight, bias])) {
        expect(gradient.abs().max().item()).toBeLessThan(1e-7);
      }
    }),
  );

  test("of two classes is the one that solving for both classes' weights finds", () =>
    scope(() => {
      const { features, labels } = clouds(8, { images: 40, dimensions: 60, classes: 2 });
      const [two, three] = [2, 3].map((classes) => fitLinearProbe(features, labels, { classes, l2: 1e-2 }));
      // A third class that no image is of gets what is left: weights near nothing, and a bias that goes down for ever.
      expect(two!.iterations).toBeLessThan(15);
      expect(two!.weight.sum([0]).abs().max().item()).toBeLessThan(1e-12);
      const apart = (probe: typeof two) => {
        const logits = probe!.logits(features);
        return logits.narrow(1, 1, 1).sub(logits.narrow(1, 0, 1));
      };
      expect(apart(two).sub(apart(three)).abs().max().item()).toBeLessThan(1e-4);
    }));

  test("does not care how features are scaled and shifted, or in which order images come", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), (seed) =>
        scope(() => {
          const { features, labels } = clouds(seed);
          const random = new torch.Random(seed);
          const scales = torch.tensor(
            Array.from({ length: 6 }, () => random.uniform(0.01, 100)),
            { dtype: "float64" },
          );
          const order = random.shuffle(labels.map((_, i) => i));
          const changed = features
            .mul(scales)
            .add(7)
            .at(torch.fromTyped(BigInt64Array.from(order, BigInt), [30]));
          const plain = fitLinearProbe(features, labels).logits(features).toNumbers();
          const other = fitLinearProbe(
            changed,
            order.map((i) => labels[i] as number),
          ).logits(features.mul(scales).add(7));
          const got = other.toNumbers();
          for (const [i, value] of plain.entries())
            expect(Math.abs((got[i] as number) - value)).toBeLessThan(1e-5);
        }),
      ),
      { numRuns: 10 },
    );
  });

  test("is the same every time, bit for bit", () =>
    scope(() => {
      const { features, labels } = clouds(2);
      const bits = () => fitLinearProbe(features, labels).weight.toNumbers();
      expect(bits()).toEqual(bits());
    }));

  test("copes with separable classes, more features than images, and constant features", () =>
    scope(() => {
      const { features, labels } = clouds(3, { images: 9, dimensions: 40, spread: 0.01 });
      const withConstant = torch.cat([features, torch.full([9, 1], 3, { dtype: "float64" })], { dim: 1 });
      const probe = fitLinearProbe(withConstant, labels, { l2: 1e-4 });
      expect(probe.logits(withConstant).argmax({ dim: 1 }).toNumbers()).toEqual(labels);
      expect(probe.weight.at("...", -1).abs().max().item()).toBe(0);
    }));

  test("a higher penalty gives smaller weights", () =>
    scope(() => {
      const { features, labels } = clouds(4);
      const sizes = [1e-4, 1e-2, 1, 100].map((l2) =>
        fitLinearProbe(features, labels, { l2 }).weight.norm().item(),
      );
      expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    }));

  test("leaves only the probe's own tensors behind, and can be put together again from them", () =>
    scope(() => {
      const { features, labels } = clouds(5);
      const before = torch.memory().tensors;
      const probe = fitLinearProbe(features, labels, { l2: 0.1 });
      expect(torch.memory().tensors - before).toBe(2);
      const again = probeOf(probe.weight.clone(), probe.bias.clone(), probe.l2);
      expect(again.logits(features).toNumbers()).toEqual(probe.logits(features).toNumbers());
    }));

  test("refuses what it cannot be fitted on, with what to do", () => {
    const { features, labels } = clouds(6);
    expect(() => fitLinearProbe(features, labels, { l2: 0 })).toThrow(ContrastError);
    expect(() => fitLinearProbe(features, labels, { l2: 0 })).toThrow(/l2 = 0; it must be above 0/);
    expect(() => fitLinearProbe(features, labels.slice(1))).toThrow(/one label an image/);
    expect(() => fitLinearProbe(features, labels, { classes: 2 })).toThrow(/label 2; labels are 0 to 1/);
    expect(() =>
      fitLinearProbe(
        features,
        labels.map(() => 0),
      ),
    ).toThrow(/one class only/);
    expect(() => fitLinearProbe(features.clone().setAt([0, 0], Number.NaN), labels)).toThrow(
      /NaN or infinity/,
    );
  });
});

describe("the choice of the penalty", () => {
  test("follows validation accuracy, then validation NLL", () =>
    scope(() => {
      const { features, labels } = clouds(7, { spread: 2 });
      const validation = clouds(7, { images: 60, spread: 2.5 });
      const { probe, trials } = chooseProbe({ features, labels }, validation, [1e-4, 1e-2, 1, 10]);
      const best = [...trials].sort((a, b) => b.accuracy - a.accuracy || a.nll - b.nll)[0];
      expect(probe.l2).toBe(best?.l2);
      expect(trials.map(({ l2 }) => l2)).toEqual([1e-4, 1e-2, 1, 10]);
      expect(() => chooseProbe({ features, labels }, validation, [])).toThrow(/at least one candidate/);
    }));
});

test("the gradients of cross-entropy agree with finite differences", async () => {
  const { crossEntropy } = await import("../../../src/contrast/index.ts");
  const { features } = clouds(8, { images: 5, dimensions: 4 });
  for (const labelSmoothing of [0, 0.1]) {
    expectGradientsClose(
      ([logits]) => crossEntropy(logits as Tensor, [0, 3, 1, 1, 2], { labelSmoothing }),
      [features],
    );
  }
});
