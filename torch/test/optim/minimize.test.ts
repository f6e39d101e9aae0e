import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memory, optim, scope, type Tensor, tensor, zeros } from "../../src/index.ts";

describe("minimize", () => {
  test("finds the minimum of a badly scaled quadratic to full precision", () =>
    scope(() => {
      const curvature = tensor([1e-3, 1, 10, 1e4], { dtype: "float64" });
      const centre = tensor([5, -2, 0.3, 1], { dtype: "float64" });
      const { point, gradientSize } = optim.minimize(
        (x) => {
          const away: Tensor = x.sub(centre);
          return { value: away.square().mul(curvature).sum().item() / 2, gradient: away.mul(curvature) };
        },
        zeros([4], { dtype: "float64" }),
      );
      expect(gradientSize).toBeLessThan(1e-9);
      for (const [i, value] of centre.toNumbers().entries())
        expect(point.toNumbers()[i]).toBeCloseTo(value, 6);
    }));

  test("finds the minimum of a convex function that is steep on one side and flat on the other", () =>
    scope(() => {
      // e^x - 3x has its minimum ln 3.
      const { point } = optim.minimize(
        (x) => ({ value: x.exp().sub(x.mul(3)).sum().item(), gradient: x.exp().sub(3) }),
        tensor([-20], { dtype: "float64" }),
      );
      expect(point.item()).toBeCloseTo(Math.log(3), 9);
    }));

  test("finds the minimum of Rosenbrock's valley, which is not convex, with the strong Wolfe search", () =>
    scope(() => {
      const valley = (x: Tensor) => {
        const [a, b] = x.toNumbers() as [number, number];
        const gradient = [-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a)];
        return {
          value: 100 * (b - a * a) ** 2 + (1 - a) ** 2,
          gradient: tensor(gradient, { dtype: "float64" }),
        };
      };
      const start = tensor([-1.2, 1], { dtype: "float64" });
      const { point, iterations } = optim.minimize(valley, start, { lineSearch: "strongWolfe" });
      point.toNumbers().forEach((value) => void expect(value).toBeCloseTo(1, 8));
      expect(iterations).toBeLessThan(60);
    }));

  test("takes Newton's steps where second derivatives are given: one on a quadratic, few elsewhere, and says where they are of no use", () =>
    scope(() => {
      const curvature = tensor(
        [
          [1e4, 3, 0],
          [3, 2, 0.1],
          [0, 0.1, 1e-2],
        ],
        { dtype: "float64" },
      );
      const quadratic = (x: Tensor) => {
        const gradient = curvature.matmul(x.sub(1));
        return { value: gradient.dot(x.sub(1)).item() / 2, gradient };
      };
      const start = zeros([3], { dtype: "float64" });
      const { point, iterations } = optim.minimize(quadratic, start, { hessian: () => curvature });
      expect(iterations).toBeLessThan(3);
      for (const value of point.toNumbers()) expect(value).toBeCloseTo(1, 9);

      const walk = (from: number, hessian?: (x: Tensor) => Tensor) =>
        optim.minimize(
          (x) => ({ value: x.exp().sub(x.mul(3)).sum().item(), gradient: x.exp().sub(3) }),
          tensor([from], { dtype: "float64" }),
          { hessian },
        );
      // Far out on the flat side a whole step would overshoot beyond every number.
      for (const from of [-6, 0, 6]) {
        const minimum = walk(from, (x) => x.exp().diag());
        expect(minimum.point.item()).toBeCloseTo(Math.log(3), 9);
        expect(minimum.iterations).toBeLessThan(20);
      }
      expect(() => walk(0, (x) => x.exp().neg().diag())).toThrow(/positive.definite/);
    }));

  test("of any positive quadratic ends where its gradient vanishes, with both searches, and leaves no tensor behind", () => {
    const numbers = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(numbers, fc.constantFrom("approximateWolfe", "strongWolfe"), (scales, lineSearch) => {
        scope(() => {
          const curvature = tensor(scales, { dtype: "float64" });
          const before = memory().tensors;
          const gradientSize = scope(
            () =>
              optim.minimize(
                (x) => {
                  const away = x.sub(1);
                  return {
                    value: away.square().mul(curvature).sum().item() / 2,
                    gradient: away.mul(curvature),
                  };
                },
                zeros([scales.length], { dtype: "float64" }),
                { lineSearch, tolerance: 1e-7 },
              ).gradientSize,
          );
          expect(gradientSize).toBeLessThan(1e-6);
          expect(memory().tensors).toBeLessThanOrEqual(before);
        });
      }),
      { numRuns: 60 },
    );
  });
});
