import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { _foreachMul_, _foreachNorm, scope, stack, TorchError } from "../tensor/index.ts";

export interface ClipOptions {
  /** Order of the norm; Infinity for the largest magnitude. Default 2. */
  normType?: number;
  /** Throws where the norm is infinite or no number, instead of spoiling the parameters. Default false. */
  errorIfNonfinite?: boolean;
}

/**
 * Scales all gradients by maxNorm / (norm + 1e-6) where their common norm exceeds `maxNorm` (Pascanu et al. 2013).
 *
 * @returns the norm before, a tensor without dimensions
 * @throws TorchError with `errorIfNonfinite` for a norm that is infinite or NaN; the gradients are as before then
 */
export function clipGradNorm_(
  params: Iterable<Tensor>,
  maxNorm: number,
  { normType = 2, errorIfNonfinite = false }: ClipOptions = {},
): Tensor {
  return noGrad(() =>
    scope(() => {
      const grads = gradients(params);
      const first = grads[0];
      if (!first) throw new TorchError("clipGradNorm_: no parameter has a gradient. Call backward first.");
      const isUniform = grads.every((grad) => grad.device === first.device && grad.dtype === first.dtype);
      const { device, dtype } = first;
      const norms = _foreachNorm(grads, { ord: normType }).map((norm) =>
        isUniform ? norm : norm.to({ device, dtype }),
      );
      const norm = stack(norms).linalgVectorNorm({ ord: normType });
      if (errorIfNonfinite && !Number.isFinite(norm.item())) {
        throw new TorchError(
          `clipGradNorm_: the norm of the gradients is ${norm.item()}. Lower the learning rate, or look for the operation that overflows.`,
        );
      }
      const factor = norm.add(1e-6).reciprocal().mul(maxNorm).clamp({ max: 1 });
      if (isUniform) _foreachMul_(grads, factor);
      else for (const gradient of grads) gradient.mul_(factor.to(gradient.device));
      return norm;
    }),
  );
}

/** Limits each element of the gradients to ±maxValue. */
export function clipGradValue_(params: Iterable<Tensor>, maxValue: number): void {
  noGrad(() =>
    scope(() => {
      for (const gradient of gradients(params)) gradient.clamp_({ min: -maxValue, max: maxValue });
    }),
  );
}

function gradients(params: Iterable<Tensor>): Tensor[] {
  return [...params].flatMap((parameter) => parameter.grad ?? []);
}
