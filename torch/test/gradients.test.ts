import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const size = fc.integer({ min: 1, max: 3 });
const seed = fc.integer({ min: 0, max: 2 ** 31 });

/**
 * Compares autograd with central differences of sum(f(x) * w), w random.
 * In float64 a step of 1e-6 leaves an error of about 1e-12 of truncation and 1e-10 of rounding, times the function's
 * third derivative and magnitude; 1e-6 relative is a hundred times that.
 */
function expectGradient(f: (...inputs: Tensor[]) => Tensor, inputs: Tensor[]): void {
  const leaves = inputs.map((input) => input.detach().clone().requiresGrad_());
  const out = f(...leaves);
  const weight = torch.randn([...out.shape], { dtype: "float64" });
  const gradients = torch.grad(out.mul(weight).sum(), leaves);
  const value = () =>
    torch.noGrad(() =>
      torch.scope(() =>
        f(...leaves)
          .mul(weight)
          .sum()
          .item(),
      ),
    );
  leaves.forEach((leaf, i) => {
    const elements = leaf.detach().asTyped();
    const expected = gradients[i]!.toNumbers();
    expected.forEach((gradient, j) => {
      const before = elements[j] as number;
      elements[j] = before + 1e-6;
      const above = value();
      elements[j] = before - 1e-6;
      const below = value();
      elements[j] = before;
      const difference = (above - below) / 2e-6;
      expect(Math.abs(difference - gradient)).toBeLessThan(1e-6 * Math.max(1, Math.abs(gradient)) * 10);
    });
  });
}

const signed = (shape: number[]) => torch.randn(shape, { dtype: "float64" });
const positive = (shape: number[]) => torch.rand(shape, { dtype: "float64" }).add(0.5);

/** Each draws inputs for a batch of a, b, c (1 to 3 each) and says what is computed. */
const operations: Record<
  string,
  (a: number, b: number, c: number) => [(...inputs: Tensor[]) => Tensor, Tensor[]]
> = {
  "broadcast product": (a, b, c) => [(x, y) => x.mul(y), [signed([a, 1, c]), signed([b, 1])]],
  quotient: (a, b) => [(x, y) => x.div(y), [signed([a, b]), positive([b])]],
  power: (a, b) => [(x, y) => x.pow(y), [positive([a, b]), signed([a, b])]],
  "matrix product": (a, b, c) => [(x, y) => x.matmul(y), [signed([2, a, b]), signed([b, c])]],
  einsum: (a, b, c) => [(x, y) => torch.einsum("ij,jk->ki", [x, y]), [signed([a, b]), signed([b, c])]],
  "sigmoid, tanh, exp": (a, b) => [(x) => x.sigmoid().mul(x.tanh()).add(x.exp()), [signed([a, b])]],
  "log, sqrt, reciprocal": (a, b) => [(x) => x.log().add(x.sqrt()).mul(x.reciprocal()), [positive([a, b])]],
  "gelu, silu, softplus": (a, b) => [(x) => x.gelu().add(x.silu()).add(x.softplus()), [signed([a, b])]],
  softmax: (a, b, c) => [(x) => x.softmax(-1).log(), [signed([a, b, c + 1])]],
  logsumexp: (a, b, c) => [(x) => x.logsumexp([1]), [signed([a, b, c])]],
  "mean, variance": (a, b, c) => [
    (x) => x.var({ dim: [2], correction: 0 }).add(x.mean([2])),
    [signed([a, b, c + 1])],
  ],
  "cumulative sum and product": (a, b) => [(x) => x.cumsum(1).mul(x.cumprod(0)), [positive([a, b])]],
  "sort and topk": (a, b) => [
    (x) =>
      x
        .sort({ dim: 1 })[0]
        .sub(x.topk(b, { dim: 1 })[0])
        .pow(2),
    [signed([a, b])],
  ],
  "gather and scatter": (a, b) => [
    (x) => {
      const index = torch
        .arange(a * b, { dtype: "int64" })
        .reshape([a, b])
        .remainder(b);
      return x.gather(1, index).pow(2).scatterAdd(1, index, x);
    },
    [signed([a, b])],
  ],
  "concatenation and stacking": (a, b, c) => [
    (x, y) => torch.cat([x, y], { dim: 1 }).square().narrow(1, 0, b),
    [signed([a, b]), signed([a, c])],
  ],
  indexing: (a, b, c) => [
    (x) =>
      x
        .at("...", torch.slice(0, c), null)
        .mul(x.at(0, 0, 0))
        .pow(2),
    [signed([a, b, c])],
  ],
  convolution: (a, b, c) => [
    (x, w, bias) => torch.conv2d(x, w, { bias, padding: [1, 1], stride: [c, 1] }),
    [signed([a, b, 4, 3]), signed([2, b, 3, 2]), signed([2])],
  ],
  "transposed convolution": (a, b, c) => [
    (x, w) => torch.convTranspose2d(x, w, { stride: c, padding: 1 }),
    [signed([a, b, 3, 3]), signed([b, 2, 3, 3])],
  ],
  "layer norm": (a, b, c) => [
    (x, w, bias) => torch.layerNorm(x, [b, c + 1], { weight: w, bias }),
    [signed([a + 1, b, c + 1]), positive([b, c + 1]), signed([b, c + 1])],
  ],
  "group norm": (a, b, c) => [
    (x, w, bias) => torch.groupNorm(x, b, { weight: w, bias }),
    [signed([a, 2 * b, c + 1]), positive([2 * b]), signed([2 * b])],
  ],
  "batch norm": (a, b, c) => [
    (x) => torch.batchNorm(x, null, null, null, null, true, 0.1, 1e-5, false),
    [signed([a + 1, b, c + 1])],
  ],
  attention: (a, b, c) => [
    (q, k, v) => torch.scaledDotProductAttention(q, k, v),
    [signed([1, a, b, 4]), signed([1, a, c, 4]), signed([1, a, c, 4])],
  ],
  embedding: (a, b) => [
    (w) => torch.embedding(w, torch.tensor([0, a, 0], { dtype: "int64" })).square(),
    [signed([a + 1, b])],
  ],
  "cross entropy": (a, b) => [
    (x) => x.crossEntropyLoss(torch.zeros([a], { dtype: "int64" }), { labelSmoothing: 0.1 }),
    [signed([a, b + 1])],
  ],
  "binary cross entropy": (a, b) => [
    (x) => x.binaryCrossEntropyWithLogits(torch.full([a, b], 0.3, { dtype: "float64" })),
    [signed([a, b])],
  ],
  "bilinear resizing": (a, b, c) => [
    (x) => x.upsampleBilinear2d([b + 1, c + 2], false),
    [signed([1, a, 3, 3])],
  ],
  "grid sampling": (a, b, c) => [
    (x, grid) => torch.gridSampler(x, grid.tanh().mul(0.6), 0, 0, false),
    [signed([1, a, 5, 5]), signed([1, b, c, 2])],
  ],
  "inverse and determinant": (a) => [
    (x) => {
      const regular = x.matmul(x.transpose(0, 1)).add(torch.eye(a, { dtype: "float64" }));
      return torch.linalgInv(regular).mul(torch.linalgDet(regular));
    },
    [signed([a, a])],
  ],
  "fast Fourier transform": (a, b) => [(x) => x.fftFft().viewAsReal().square(), [signed([a, b])]],
  "a custom function": (a, b) => [
    (x, y) =>
      torch.customFunction(
        {
          forward: (u: Tensor, v: Tensor) => u.mul(v).sin(),
          backward: (g) => {
            const slope = g!.mul(x.detach().mul(y.detach()).cos());
            return [slope.mul(y.detach()), slope.mul(x.detach())];
          },
        },
        x,
        y,
      ),
    [signed([a, b]), signed([a, b])],
  ],
  "a checkpointed block": (a, b) => [
    (x, y) => torch.checkpoint((u: Tensor, v: Tensor) => u.matmul(v).tanh().square(), x, y),
    [signed([a, b]), signed([b, a])],
  ],
};

describe("autograd agrees with finite differences for any shape", () => {
  test.each(Object.entries(operations))("%s", (_, draw) => {
    fc.assert(
      fc.property(size, size, size, seed, (a, b, c, start) => {
        torch.scope(() => {
          torch.manualSeed(start);
          const [f, inputs] = draw(a, b, c);
          expectGradient(f, inputs);
        });
      }),
      { numRuns: 12, seed: 20261124 },
    );
  });

  test("second derivatives too", () => {
    fc.assert(
      fc.property(size, size, seed, (a, b, start) => {
        torch.scope(() => {
          torch.manualSeed(start);
          const slope = (x: Tensor): Tensor => {
            const leaf = x.isLeaf ? x : x.clone();
            return torch.grad(leaf.sigmoid().mul(leaf.exp()).sum(), [leaf], { createGraph: true })[0]!;
          };
          torch.enableGrad(() => {
            const x = signed([a, b]).requiresGrad_();
            const first = slope(x);
            const second = torch.grad(first.sum(), [x])[0]!.toNumbers();
            const h = 1e-5;
            const at = (shift: number) => slope(x.detach().add(shift).requiresGrad_()).detach();
            const expected = at(h)
              .sub(at(-h))
              .div(2 * h)
              .toNumbers();
            second.forEach((value, i) => {
              expect(value).toBeCloseTo(expected[i]!, 5);
            });
          });
        });
      }),
      { numRuns: 12, seed: 20261124 },
    );
  });
});
