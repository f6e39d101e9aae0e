import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

/** Labels as distributions over classes. */

/** float64 [M, C] on the CPU. */
export function oneHot(labels: readonly number[], classes: number): Tensor {
  const values = new Float64Array(labels.length * classes);
  for (const [row, label] of labels.entries()) values[row * classes + label] = 1;
  return torch.fromTyped(values, [labels.length, classes]);
}

/**
 * The distributions of mixed images.
 * @param blend how much of every image each row shows, [M, M]; null where nothing is mixed
 * @param distributions of the images, [M, C]
 */
export function blended(blend: Tensor | null, distributions: Tensor): Tensor {
  if (!blend) return distributions;
  return blend.to("float64").matmul(distributions.to({ device: blend.device, dtype: "float64" }));
}
