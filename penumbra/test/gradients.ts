// Gradients checked by finite differences.
import { grad, noGrad, scope, type Tensor } from "@penumbra/torch";
import { expect } from "vitest";

/**
 * Expects autograd's gradients of a scalar to equal central differences, (f(x + h) - f(x - h)) / 2h, element by element.
 *
 * @param loss of float64 tensors; must not change them
 * @param inputs float64 points to differentiate at
 * @param options.step h; the error of the differences is about h^2 (truncation) + 1e-16 / h (rounding)
 * @param options.tolerance allowed difference, relative to the largest gradient (absolute below 1)
 */
export function expectGradientsClose(
  loss: (inputs: readonly Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  { step = 1e-5, tolerance = 1e-7 } = {},
): void {
  scope(() => {
    const leaves = inputs.map((input) => input.detach().clone().requiresGrad_());
    const gradients = grad(loss(leaves), leaves);
    inputs.forEach((input, which) => {
      const exact = (gradients[which] as Tensor).toNumbers();
      const allowed = tolerance * Math.max(1, ...exact.map(Math.abs));
      for (let i = 0; i < input.numel; i++) {
        const at = (offset: number) =>
          scope(() =>
            noGrad(() => {
              const moved = input.clone();
              const element = moved.flatten().narrow(0, i, 1);
              element.add_(offset);
              return loss(inputs.map((other, k) => (k === which ? moved : other))).item();
            }),
          );
        const numeric = (at(step) - at(-step)) / (2 * step);
        expect(
          Math.abs(numeric - (exact[i] as number)) <= allowed,
          `input ${which}, element ${i}: autograd says ${exact[i]}, differences say ${numeric}`,
        ).toBe(true);
      }
    });
  });
}
