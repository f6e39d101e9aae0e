import { scope, type Tensor, tensor } from "@penumbra/torch";
import type { DrawingItem } from "../draw/artist.ts";

/**
 * How much of each class an image is: `share` of the other one's, the rest of its own.
 * @returns float32 [items, classes]
 */
export function sharesOf(
  items: readonly DrawingItem[],
  share: (item: DrawingItem) => number,
  classes: number,
  device: string,
): Tensor {
  return scope(() => {
    const rows = items.map((item) => {
      const row = Array<number>(classes).fill(0);
      row[item.label]! += 1 - share(item);
      row[item.otherLabel]! += share(item);
      return row;
    });
    return tensor(rows, { dtype: "float32", device });
  });
}

/** One number an item as a column that multiplies [items, ...] of so many dimensions. */
export function column(values: readonly number[], ndim: number, device: string): Tensor {
  return tensor(values, { dtype: "float32", device }).view([-1, ...Array<number>(ndim - 1).fill(1)]);
}
