import type { Tensor } from "@penumbra/torch";

/** Rows scaled to length 1, [N, D]; rows shorter than 1e-12 stay as good as 0. */
export function unitRows(rows: Tensor): Tensor {
  return rows.div(rows.linalgVectorNorm({ dim: [1], keepdim: true }).clampMin(1e-12));
}
