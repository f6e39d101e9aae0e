import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";

/** One row an object, with the object that each row is of. */
export interface FusedViews {
  /** [objects, D]. */
  readonly rows: Tensor;
  /** In the order of their first view. */
  readonly objects: string[];
}

/**
 * Fuses the views of each physical object into one row: the mean of their features or of their logits.
 *
 * @param rows [N, D], one row a view
 * @param objects the object of each row, such as `photo.object`
 * @throws ContrastError unless there is one object a row
 * @example
 * const { rows: logits, objects } = fuseViews(probe.logits(features), photos.map((photo) => photo.object));
 */
export function fuseViews(rows: Tensor, objects: readonly string[]): FusedViews {
  if (rows.ndim !== 2 || rows.shape[0] !== objects.length) {
    throw new ContrastError(
      `fuseViews got rows of shape [${rows.shape}] and ${objects.length} objects. Pass [views, dimensions] and one object a row.`,
    );
  }
  const names = [...new Set(objects)];
  const position = new Map(names.map((name, i) => [name, BigInt(i)]));
  const fused = scope(() => {
    const index = torch
      .fromTyped(
        BigInt64Array.from(objects, (name) => position.get(name) as bigint),
        [objects.length],
      )
      .to(rows.device);
    const counts = index.bincount({ minlength: names.length }).to(rows.dtype).unsqueeze(1); // [objects, 1]
    const sums = torch.zeros([names.length, rows.shape[1] as number], {
      dtype: rows.dtype,
      device: rows.device,
    });
    return sums.indexAdd(0, index, rows.detach()).div(counts);
  });
  return { rows: fused, objects: names };
}
