import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import { requireUnitRows } from "./unit-rows.ts";

/** What contrastive losses share: rows, who is like whom, and what is refused. */

/** Instead of minus infinity: exp() of it is exactly 0 in every dtype used here, and 0 times it is not NaN. */
export const EXCLUDED = -1e30;

/** Half precision would lose the differences between rows of one class: 1 - 2^-8 is the last bfloat16 before 1. */
export function inFullPrecision(rows: Tensor): Tensor {
  return rows.dtype === "float64" ? rows : rows.to("float32");
}

/** [B, V, D] -> [V B, D], view by view. */
export function rowsOf(features: Tensor): Tensor {
  const [images, views, dimensions] = features.shape as [number, number, number];
  return inFullPrecision(features)
    .transpose(0, 1)
    .reshape([views * images, dimensions]);
}

/** bool [B, B]: true where two images have the same class; without labels, where they are the same image. */
export function samePairs(
  labels: readonly number[] | Tensor | undefined,
  images: number,
  device: string,
): Tensor {
  if (labels === undefined) return torch.eye(images, { dtype: "bool", device });
  const classes =
    labels instanceof torch.Tensor ? labels : torch.fromTyped(Float64Array.from(labels), [images]);
  const column = classes.to(device).reshape([images, 1]);
  return column.eq(column.t());
}

/** bool [V B, V B]: {@link samePairs} of all views. */
export function sameLabels(labels: readonly number[] | Tensor | undefined, features: Tensor): Tensor {
  const [images, views] = features.shape as [number, number];
  return samePairs(labels, images, features.device).repeat([views, views]);
}

/** @throws ContrastError unless tau is above 0 */
export function requireTemperature(name: string, temperature: number): void {
  if (temperature > 0) return;
  throw new ContrastError(
    `${name} got the temperature ${temperature}; it must be above 0. Usual values are 0.05 to 0.5.`,
  );
}

interface ContrastInput {
  readonly labels?: readonly number[] | Tensor | undefined;
  readonly temperature: number;
}

/** @throws ContrastError unless features are unit rows [B, V, D] with one label an image, if any, and tau is above 0 */
export function requireContrast(
  name: string,
  features: Tensor,
  { labels, temperature }: ContrastInput,
): void {
  const [images = 0, views = 0] = features.shape;
  if (features.ndim !== 3 || images === 0 || views === 0) {
    throw new ContrastError(
      `${name} got features of shape [${features.shape}]; it needs [images, views, dimensions]. Reshape them, with at least one image.`,
    );
  }
  requireTemperature(name, temperature);
  const count = labels instanceof torch.Tensor ? labels.numel : labels?.length;
  if (count !== undefined && count !== images) {
    throw new ContrastError(
      `${name} got ${count} labels for ${images} images. Pass one label an image, not one a view.`,
    );
  }
  if (count === undefined && views === 1) {
    throw new ContrastError(
      `${name} got one view of each image and no labels, so nothing is positive. Pass labels or at least two views.`,
    );
  }
  requireUnitRows(features, "features");
}
