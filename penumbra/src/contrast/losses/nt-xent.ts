import type { Tensor } from "@penumbra/torch";
import { supCon } from "./supcon.ts";

/**
 * NT-Xent, the loss of SimCLR, which uses no labels: each view's positives are the other views of its image.
 *
 *   L = mean_i [ -s_i,p(i)/tau + ln sum_{a in A(i)} e^{s_ia/tau} ]
 *
 * (Chen et al. 2020, eq. 1). p(i) is the other view of the same image, A(i) are all other rows; with more than two
 * views the mean over all positives. It is {@link supCon} without labels.
 *
 * @param features [B, V, D] unit rows: V views, two or more, of B images
 * @param options.temperature tau, above 0; default 0.5
 * @returns a scalar; float32, or float64 for float64 features
 * @throws ContrastError when rows are NaN or not of length 1, or there is one view only
 */
export function ntXent(features: Tensor, { temperature = 0.5 } = {}): Tensor {
  return supCon(features, { temperature });
}
