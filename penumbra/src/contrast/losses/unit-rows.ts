import { noGrad, scope, type Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";

/**
 * Scales every row to length 1: x / max(|x|, 1e-12), as PyTorch's `F.normalize`.
 *
 * @param rows [..., D] floating point
 * @returns the same shape; differentiable
 */
export function normalizeRows(rows: Tensor): Tensor {
  return rows.div(rows.linalgVectorNorm({ dim: [-1], keepdim: true }).clampMin(1e-12));
}

/**
 * Refuses rows unless every one is finite and of length 1, within what the dtype can hold.
 *
 * Contrastive losses of rows that are not normalised overflow to NaN some steps later (SupContrast #50), where
 * nobody finds the cause; so the check stands in front.
 *
 * @param rows [..., D]
 * @param name what the caller calls them, for the message
 * @throws ContrastError for a row that is not
 */
export function requireUnitRows(rows: Tensor, name: string): void {
  const tolerance = rows.dtype === "float16" || rows.dtype === "bfloat16" ? 0.02 : 1e-3;
  const { worst, at, length } = scope(() =>
    noGrad(() => {
      const lengths = rows
        .to("float32")
        .linalgVectorNorm({ dim: [-1] })
        .flatten(); // [rows]
      const off = lengths.sub(1).abs().nanToNum({ nan: Number.POSITIVE_INFINITY });
      const [largest, index] = off.max(0);
      const row = index.item();
      return { worst: largest.item(), at: row, length: lengths.at(row).item() };
    }),
  );
  if (worst <= tolerance) return;
  if (!Number.isFinite(length)) {
    throw new ContrastError(
      `Row ${at} of the ${name} [${rows.shape}] is ${Number.isNaN(length) ? "NaN" : "infinite"}. Lower the learning rate or lengthen its warm-up, and train in fp32 if this was fp16.`,
    );
  }
  throw new ContrastError(
    `Row ${at} of the ${name} [${rows.shape}] has length ${length.toPrecision(4)}; the loss needs rows of length 1. Pass them through normalizeRows() first.`,
  );
}
