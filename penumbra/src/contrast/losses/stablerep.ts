import type { Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import { supCon } from "./supcon.ts";

/**
 * The multi-positive loss of StableRep: rows of one group, such as all redraws of one photo or all images of one
 * prompt, are to be found equally likely among all other rows.
 *
 *   p_ij = 1[g_i = g_j, j != i] / max(1, their number),   q_i = softmax_{j != i}(s_ij/tau)
 *   L = mean_i ( -sum_j p_ij ln q_ij )
 *
 * (Tian et al. 2023, eq. 1 to 3). It is SupCon's L_out with groups for classes; a row alone in its group has loss 0 and
 * stays in the mean.
 *
 * @param rows [M, D] unit rows
 * @param groups group of each row, [M]
 * @param options.temperature tau, above 0; default 0.1
 * @returns a scalar; float32, or float64 for float64 rows
 * @throws ContrastError when rows are no matrix, NaN or not of length 1, or there is not one group a row
 */
export function multiPositive(
  rows: Tensor,
  groups: readonly number[] | Tensor,
  { temperature = 0.1 } = {},
): Tensor {
  if (rows.ndim !== 2) {
    throw new ContrastError(
      `multiPositive got rows of shape [${rows.shape}]. Pass [M, dimensions], a row for each image and view.`,
    );
  }
  return supCon(rows.unsqueeze(1), { labels: groups, temperature });
}
