import type { Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import { EXCLUDED, inFullPrecision } from "./contrast-rows.ts";
import { requireUnitRows } from "./unit-rows.ts";

/** Rows that are columns of a loss's denominator and nothing else: never anchors, never positives. */

interface RememberedColumns {
  readonly memory?: Tensor | null;
  readonly memoryMask?: Tensor | null;
}

/** Logits of remembered columns, [A, Q], those that an anchor does not see excluded; null where there are none. */
export function memoryColumns(
  anchors: Tensor,
  anchorViews: number,
  temperature: number,
  { memory, memoryMask }: RememberedColumns,
): Tensor | null {
  if (!memory || memory.shape[0] === 0) return null;
  const logits = anchors.matmul(inFullPrecision(memory.detach()).t()).div(temperature); // [A, Q]
  if (!memoryMask) return logits;
  return logits.maskedFill(memoryMask.to(anchors.device).logicalNot().repeat([anchorViews, 1]), EXCLUDED);
}

/** @throws ContrastError unless the columns are unit rows like the features, with a mask that fits */
export function requireColumns(
  loss: string,
  features: Tensor,
  kind: "negative" | "memory",
  columns: Tensor | null | undefined,
  mask: Tensor | null | undefined,
): void {
  if (!columns || columns.shape[0] === 0) return;
  const [images = 0, , dimensions = 0] = features.shape;
  const [name, count] = kind === "negative" ? ["negatives", "K"] : ["a memory", "Q"];
  if (columns.ndim !== 2 || columns.shape[1] !== dimensions) {
    throw new ContrastError(
      `${loss} got ${name} of shape [${columns.shape}]; it needs [${count}, ${dimensions}] like the features. Project them with the same head.`,
    );
  }
  requireUnitRows(columns, kind === "negative" ? "negatives" : "memory");
  const expected = [images, columns.shape[0]];
  if (mask && String(mask.shape) !== String(expected)) {
    throw new ContrastError(
      `${loss} got a ${kind}Mask of shape [${mask.shape}]; it needs [images, ${count}] = [${expected}].`,
    );
  }
}
